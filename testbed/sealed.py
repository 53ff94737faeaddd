"""Seals a trace that a test made up, as the daemon seals those that it writes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import duckdb

from smaragdine.trace.checksum import of_bytes
from smaragdine.trace.columns import TABLES, cells, kinds
from smaragdine.trace.content import of_column
from smaragdine.trace.seal import CHECKSUMS, SEAL, seal


def checksum(file: Path) -> dict[str, Any]:
    """Of one table."""
    table = file.stem
    with duckdb.connect() as connection:
        relation = connection.sql(f"select * from read_parquet('{str(file).replace(chr(39), 2 * chr(39))}')")
        found = {name: str(kind) for name, kind in zip(relation.columns, relation.types, strict=True)}
        relation.project(cells(table, found)).create_view(table)
        rows = connection.sql(f"select count(*) from {table}").fetchall()[0][0]
        columns = {name: of_column(connection, table, name, kind) for name, kind in kinds(table).items()}
    return {"rows": rows, "bytes": of_bytes([file]), "columns": columns}


def covered(steps: Path) -> dict[str, Any]:
    """How many steps were traced, and for how long, as the daemon counts."""
    traced = "filter (where traced)"
    length_s = "coalesce(sum(end_ns::hugeint - start_ns) {}, 0) / 1e9"
    query = f"select count(*), count(*) {traced}, {length_s.format('')}, {length_s.format(traced)} from read_parquet(?)"
    with duckdb.connect() as connection:
        told = connection.execute(query, [str(steps)]).fetchall()[0]
    return dict(zip(("steps", "traced_steps", "steps_s", "traced_s"), told, strict=True))


def seal_trace(directory: Path) -> Path:
    """Brings coverage in trace.json up to date, and writes the checksums of all tables, and the seal, into it."""
    path = directory / "trace.json"
    fields = json.loads(path.read_text())
    if isinstance(fields.get("coverage"), dict):
        fields["coverage"] |= covered(directory / "steps.parquet")
    fields[CHECKSUMS] = {table: checksum(directory / f"{table}.parquet") for table in TABLES}
    path.write_text(json.dumps(fields | {SEAL: seal(fields)}))
    return directory
