"""A `Log` as a trace directory: the tables, their checksums and `trace.json`, as a recording leaves them."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from smaragdine.accounts.ledger import ENTRIES
from smaragdine.errors import UsageError
from smaragdine.files.writing import Folder
from smaragdine.trace.checksum import of_bytes, of_column
from smaragdine.trace.columns import TABLES, kinds, quoted
from smaragdine.trace.imports.log import Log
from smaragdine.trace.metadata import SCHEMA_VERSION
from smaragdine.trace.seal import CHECKSUMS, SEAL, seal


def write(log: Log, output: Path) -> None:
    """Raises SmaragdineError where `output` holds something already, or cannot be written."""
    try:
        if output.is_dir() and any(output.iterdir()):
            raise UsageError(f"{output} holds something already", "name a directory that does not exist yet with -o")
        with Folder.at(output) as folder:
            with tempfile.TemporaryDirectory(prefix="smaragdine-import-") as temporary:
                checksums = _tables(log, Path(temporary))
                for file in sorted(Path(temporary).iterdir()):
                    folder.write(file.name, file.read_bytes())
            fields = _metadata(log) | {CHECKSUMS: checksums}
            folder.write("trace.json", (json.dumps(fields | {SEAL: seal(fields)}, indent=2) + "\n").encode())
    except OSError as error:
        raise UsageError(f"cannot write {output}: {error.strerror}") from None


def _tables(log: Log, directory: Path) -> dict[str, Any]:
    import duckdb

    metrics = [(time_ns, metric, "application", value) for time_ns, metric, value in log.metrics]
    rows = {"readings": _readings(log), "ledger": _ledger(log), "metrics": metrics}
    checksums = {}
    with duckdb.connect() as connection:
        for table in TABLES:
            file = directory / f"{table}.parquet"
            _write(connection, table, kinds(table), rows.get(table, []), file)
            checksums[table] = {
                "rows": len(rows.get(table, [])),
                "bytes": of_bytes([file]),
                "columns": {name: of_column(connection, table, name, kind) for name, kind in kinds(table).items()},
            }
    return checksums


def _write(connection: Any, table: str, columns: dict[str, str], rows: Sequence[Sequence[Any]], file: Path) -> None:
    typed = ", ".join(f"{quoted(name)} {kind}" for name, kind in columns.items())
    connection.execute(f"create table {table} ({typed})")
    marks = "(" + ", ".join("?" for _ in columns) + ")"
    for start in range(0, len(rows), 500):  # one insert of many rows is far quicker than many of one
        part = rows[start : start + 500]
        query = f"insert into {table} values {', '.join([marks] * len(part))}"
        connection.execute(query, [value for row in part for value in row])
    connection.table(table).write_parquet(str(file), compression="zstd")


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
