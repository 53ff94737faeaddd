"""A trace directory that is made here, not by a daemon: tables, their checksums, and a sealed `trace.json` at last."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smaragdine.errors import SmaragdineError
from smaragdine.files.writing import Folder
from smaragdine.trace.checksum import of_bytes
from smaragdine.trace.columns import TABLES, kinds, quoted
from smaragdine.trace.content import of_column
from smaragdine.trace.seal import CHECKSUMS, SEAL, seal

if TYPE_CHECKING:
    import duckdb

Rows = Sequence[Sequence[Any]]
Batches = Iterator[Rows]


def write(output: Path, tables: Mapping[str, Rows | Batches], fields: Mapping[str, Any]) -> None:
    """Writes `tables`, rows in the order of their columns, and `fields` as `trace.json`; a table not given is empty.

    One of which an iterator is given comes some rows at a time.

    Raises SmaragdineError where `output` cannot be written.
    """
    try:
        with Folder.at(output) as folder:
            with tempfile.TemporaryDirectory(prefix="smaragdine-trace-") as temporary:
                checksums = _tables(tables, Path(temporary))
                for file in sorted(Path(temporary).iterdir()):
                    with file.open("rb") as source:
                        folder.copy(source, file.name)
            told = {**fields, CHECKSUMS: checksums}
            folder.write("trace.json", (json.dumps({**told, SEAL: seal(told)}, indent=2) + "\n").encode())
    except OSError as error:
        raise SmaragdineError(
            f"cannot write {output}: {error.strerror}", "name a directory that you may write"
        ) from None


def _tables(tables: Mapping[str, Rows | Batches], directory: Path) -> dict[str, Any]:
    import duckdb

    checksums = {}
    with duckdb.connect() as connection:
        for table in TABLES:
            file = directory / f"{table}.parquet"
            rows = tables.get(table, ())
            written = _write(connection, table, kinds(table), rows if isinstance(rows, Iterator) else (rows,), file)
            checksums[table] = {
                "rows": written,
                "bytes": of_bytes([file]),
                "columns": {name: of_column(connection, table, name, kind) for name, kind in kinds(table).items()},
            }
    return checksums


def _write(
    connection: duckdb.DuckDBPyConnection, table: str, columns: Mapping[str, str], batches: Iterable[Rows], file: Path
) -> int:
    """Returns how many rows."""
    typed = ", ".join(f"{quoted(name)} {kind}" for name, kind in columns.items())
    connection.execute(f"create table {table} ({typed})")
    # Whole columns are far quicker than rows.
    cells = ", ".join(f"unnest(?::{kind}[])" for kind in columns.values())
    written = 0
    for rows in batches:
        if rows:
            given = [
                [_as_map(value) for value in column] if kind.startswith("MAP") else list(column)
                for column, kind in zip(zip(*rows, strict=True), columns.values(), strict=True)
            ]
            connection.execute(f"insert into {table} select {cells}", given)
            written += len(rows)
    connection.table(table).write_parquet(str(file), compression="zstd")
    return written


def _as_map(value: Any) -> Any:
    """DuckDB takes dicts for structs, of which all of a column have the fields of each."""
    return {"key": list(value), "value": list(value.values())} if isinstance(value, Mapping) else value
