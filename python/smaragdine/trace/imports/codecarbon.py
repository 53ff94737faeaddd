"""CodeCarbon's `emissions.csv`: a row for each run, with sums alone.

Its energies are with its PUE in them, its RAM is a rule of thumb, and of its CPU the file does not tell whether a
sensor was read: so both are modelled here. Times are of the machine's own zone, which the file does not name.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from smaragdine.errors import UsageError
from smaragdine.files import regular
from smaragdine.trace.imports.log import Component, Interval, Log

TOOL = "codecarbon"
_NEEDED = ("timestamp", "duration", "emissions", "cpu_energy", "gpu_energy", "ram_energy")
_J_PER_KWH = 3.6e6
_COMPONENTS = (
    ("cpu_energy", "cpu", "CPU:0", "modelled"),
    ("ram_energy", "dram-guess", "CPU:0", "modelled"),
    ("gpu_energy", "gpus", "GPU:0", "measured"),
)


def read(path: Path) -> list[Log]:
    """The runs of one file, or of the `emissions.csv` in a folder. Raises SmaragdineError with the line of a fault."""
    file = path / "emissions.csv" if path.is_dir() else path
    reader = csv.DictReader(io.StringIO(regular.text(file, str(file)), newline=""))
    if missing := [name for name in _NEEDED if name not in (reader.fieldnames or ())]:
        raise UsageError(f"{file} has no column {', '.join(missing)}: it is no emissions.csv of CodeCarbon")
    logs = [_log(row, f"{file}, line {reader.line_num}") for row in reader]
    if not logs:
        raise UsageError(f"{file} holds no run")
    return logs


def _log(row: Mapping[str, str], where: str) -> Log:
    duration_s = _number(row["duration"], f"{where}: duration")
    try:
        end = datetime.fromisoformat(row["timestamp"])
    except ValueError:
        raise UsageError(f"{where}: timestamp {row['timestamp']!r} is no time") from None
    end_ns = round((end if end.tzinfo else end.replace(tzinfo=timezone.utc)).timestamp()) * 10**9
    start_ns = end_ns - round(duration_s * 1e9)
    pue = _number(row["pue"], f"{where}: pue") if row.get("pue") else 1.0
    if pue < 1:
        raise UsageError(f"{where}: {pue:g} is no PUE")
    components, kwh = [], 0.0
    for column, name, device, basis in _COMPONENTS:
        energy_kwh = _number(row[column], f"{where}: {column}") / pue
        kwh += energy_kwh
        if energy_kwh > 0:
            energy_j = energy_kwh * _J_PER_KWH
            components.append(Component(name, device, basis, (Interval(start_ns, end_ns, energy_j, energy_j),)))
    if not components:
        raise UsageError(f"{where}: the run has no energy: nothing was measured or modelled")
    kg = _number(row["emissions"], f"{where}: emissions")
    told: dict[str, Any] = {
        "tool": TOOL,
        "tool_version": row.get("codecarbon_version") or None,
        "pue": pue,
        "pue_source": f"{TOOL}'s, as its log has it" if row.get("pue") else f"{TOOL}'s log names none",
        "region": row.get("country_iso_code") or None,
        "emissions_kg": kg,
        "intensity_g_per_kwh": 1000 * kg / (kwh * pue),
        "intensity_source": f"{TOOL}'s log: its emissions by its energy",
        "cpu_h": None,
        "gpu_h": None,
        "dram_within_cpu": False,
    }
    warnings = ["CPU power may have been guessed from its design power, and RAM's was from its size: both are modelled"]
    if end.tzinfo is None:
        warnings.append("the log names no time zone: its times are taken for UTC")
    return Log(
        name=row.get("project_name") or TOOL,
        start_ns=start_ns,
        end_ns=end_ns,
        ended=True,
        components=tuple(components),
        told=told,
        hardware=_hardware(row),
        warnings=tuple(warnings),
    )


def _number(text: str | None, what: str) -> float:
    """0 for an empty cell, which CodeCarbon writes for what it did not see."""
    try:
        value = float(text or 0)
    except ValueError:
        value = math.nan
    if not 0 <= value < 1e12:
        raise UsageError(f"{what} {text!r} is no amount")
    return value


def _hardware(row: Mapping[str, str]) -> dict[str, Any]:
    hardware: dict[str, Any] = {"gpus": []}
    if model := row.get("cpu_model"):
        hardware["cpu"] = model
    if model := row.get("gpu_model"):
        count, _, name = model.partition(" x ")
        number = int(count) if name and count.isdigit() else 1
        hardware["gpus"] = [{"index": index, "name": name or model} for index in range(min(number, 1024))]
    return hardware
