"""A short recording of nothing in particular: how often, how punctually and how finely each register is read here."""

from __future__ import annotations

import json
import shutil
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from smaragdine.daemon.client import Client, StartOptions
from smaragdine.errors import SmaragdineError
from smaragdine.files.local import private_directory
from smaragdine.recording.output import Output

# Two differences of microjoules that differ by one may be one difference, rounded.
_ROUNDING_UJ = 2


@dataclass(frozen=True)
class Rate:
    """How one register was read. `step_uj` is at most by how much it moves at once; None where that did not show."""

    domain: str
    readings: int
    # Median length of a reading: the register's own period, or that of the sampling where it is longer.
    period_ns: int
    step_uj: int | None
    power_w: float


@dataclass(frozen=True)
class Trial:
    """What a trial showed: `sources` and `warnings` as in trace.json. `problem` says why there was none."""

    seconds: float
    rates: tuple[Rate, ...] = ()
    sources: tuple[dict[str, Any], ...] = ()
    warnings: tuple[str, ...] = ()
    share_source: str = ""
    problem: str | None = None


def trial(client: Client, seconds: float) -> Trial:
    """Records for so long with the daemon that `client` is connected to."""
    directory = None
    try:
        directory = private_directory()
        recording = client.start(StartOptions(name="doctor", keep_all=True)).recording
        time.sleep(seconds)
        client.stop(recording)
        output = Output.claim(directory / "trial")
        output.receive(client.fetch(recording))
        client.release(recording)
        return _read(output.path, seconds)
    except (SmaragdineError, OSError) as error:
        return Trial(seconds, problem=str(error))
    finally:
        if directory:
            shutil.rmtree(directory, ignore_errors=True)


def _read(path: Path, seconds: float) -> Trial:
    import duckdb

    from smaragdine.trace.tables import literal

    told = json.loads((path / "trace.json").read_text())
    readings: dict[str, list[tuple[int, float]]] = {}
    table = path / "readings.parquet"
    if table.is_file():
        query = "select domain, end_ns - start_ns, energy_j from read_parquet(?) order by start_ns"
        for domain, length_ns, energy_j in duckdb.execute(query, [literal(table)]).fetchall():
            readings.setdefault(domain, []).append((length_ns, energy_j))
    return Trial(
        seconds,
        rates=tuple(_rate(domain["name"], readings.get(domain["name"], [])) for domain in told.get("domains") or []),
        sources=tuple(told.get("sources") or []),
        warnings=tuple(told.get("warnings") or []),
        share_source=told.get("share_source") or "",
    )


def _rate(domain: str, readings: Sequence[tuple[int, float]]) -> Rate:
    if not readings:
        return Rate(domain, 0, 0, None, 0.0)
    lengths, energies = zip(*readings, strict=True)
    held_uj = sorted({round(energy * 1e6) for energy in energies})
    apart = [later - earlier for earlier, later in pairwise(held_uj)]
    steps = [step for step in apart if step >= _ROUNDING_UJ]
    return Rate(
        domain,
        len(readings),
        round(statistics.median(lengths)),
        min(steps, default=None),
        sum(energies) / max(sum(lengths) * 1e-9, 1e-9),
    )
