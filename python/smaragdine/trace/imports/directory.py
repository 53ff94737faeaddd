"""A `Log` as a trace directory: the tables, their checksums and `trace.json`, as a recording leaves them."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Any

from smaragdine.accounts.ledger import ENTRIES
from smaragdine.errors import UsageError
from smaragdine.trace import written
from smaragdine.trace.columns import kinds
from smaragdine.trace.imports.log import Log
from smaragdine.trace.metadata import SCHEMA_VERSION


def write(log: Log, output: Path) -> None:
    """Raises SmaragdineError where `output` holds something already, or cannot be written."""
    if output.is_dir() and any(output.iterdir()):
        raise UsageError(f"{output} holds something already", "name a directory that does not exist yet with -o")
    metrics = [(time_ns, metric, "application", value) for time_ns, metric, value in log.metrics]
    tables = {"readings": _readings(log), "ledger": _ledger(log), "metrics": metrics}
    written.write(output, tables, _metadata(log))


def _readings(log: Log) -> list[tuple[Any, ...]]:
    rows = []
    for component in log.components:
        for one in component.intervals:
            share = one.app_j / one.energy_j if one.energy_j > 0 else None
            values = {
                "domain": component.name, "start_ns": one.start_ns, "end_ns": one.end_ns, "energy_j": one.energy_j,
                "read_start_ns": one.end_ns, "read_end_ns": one.end_ns,
                "app_share": share, "daemon_share": None if share is None else 0.0, "idle_share": None,
                "flags": [one.gap] if one.gap else [], "source": log.told["tool"],
            }  # fmt: skip
            rows.append(tuple(values.get(name) for name in kinds("readings")))
    return rows


def _ledger(log: Log) -> list[tuple[Any, ...]]:
    rows = []
    for component in log.components:
        app_j = sum(one.app_j for one in component.intervals)
        whole_j = sum(one.energy_j for one in component.intervals)
        # No operation was recorded: what the run took is the application's, in steps without events.
        energies = dict.fromkeys(ENTRIES, 0.0) | {"untraced": app_j, "other": whole_j - app_j}
        rows += [("equal", component.name, entry, energy_j) for entry, energy_j in energies.items()]
    return rows


def _metadata(log: Log) -> dict[str, Any]:
    return {
        "schema_version": SCHEMA_VERSION,
        "recording": "imported",
        "state": "complete" if log.ended else "cut",
        "name": log.name,
        "labels": {},
        "start_ns": log.start_ns,
        "end_ns": log.end_ns,
        "realtime_offset_ns": 0,
        "host": {},
        "hardware": log.hardware,
        "software": {
            "smaragdine": version("smaragdine"),
            log.told["tool"]: str(log.told.get("tool_version") or "unknown"),
        },
        "devices": list(dict.fromkeys(component.device for component in log.components)),
        "domains": [
            {
                "name": component.name, "device": component.device, "parent": None, "counted": True,
                "basis": component.basis, "source": log.told["tool"], "static_w": None, "range_uj": None, "scope": "",
            }
            for component in log.components
        ],
        "sources": [],
        "share_source": None,
        "share_tick_ns": None,
        # What is accounted anew keeps its options, and no field that it does not know.
        "options": {"imported": log.told},
        "coverage": {},
        "hidden_operations": [],
        "profiling": [],
        "clock_changes": [],
        "warnings": list(log.warnings),
        "log": [],
    }  # fmt: skip
