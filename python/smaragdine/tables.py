"""The tables of a trace, as DuckDB opens them: ours, or what pandas, DuckDB, Polars or Spark wrote in their place.

Others have no unsigned integers, none that may be missing, no maps, or no type for a column without values, and Spark
writes a folder of parts. What a column says counts, not how: every view has the types of ours, and further columns.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from smaragdine.errors import SmaragdineError

if TYPE_CHECKING:
    import duckdb

# The columns that reading needs; a table may have more.
TABLES = {
    "readings": ("domain", "start_ns", "end_ns", "energy_j", "app_share", "daemon_share", "idle_share", "flags"),
    "events": ("op", "device", "lane", "kind", "start_ns", "end_ns", "step"),
    "ops": ("op", "qtn", "layer", "type", "phase", "raw_name", "flops"),
    "edges": ("from_op", "to_op"),
    "steps": ("step", "epoch", "start_ns", "end_ns", "traced", "samples", "energy_j", "metrics"),
    "footprint": ("policy", "op", "device", "basis", "energy_j", "energy_low_j", "energy_high_j", "time_s", "count"),
    "footprint_domains": ("policy", "op", "domain", "energy_j"),
    "ledger": ("policy", "domain", "entry", "energy_j"),
}
_MAP = "MAP(VARCHAR, DOUBLE)"
_ENTRIES = "STRUCT(key VARCHAR, value DOUBLE)[]"
_KINDS = {
    **dict.fromkeys(("op", "from_op", "to_op", "lane"), "UINTEGER"),
    **dict.fromkeys(("start_ns", "end_ns", "step", "epoch", "samples", "count"), "BIGINT"),
    **dict.fromkeys(("energy_j", "energy_low_j", "energy_high_j", "time_s", "flops"), "DOUBLE"),
    **dict.fromkeys(("app_share", "daemon_share", "idle_share"), "DOUBLE"),
    "traced": "BOOLEAN",
    "flags": "VARCHAR[]",
}
# Null where it is not known, for which some write NaN.
_MAY_BE_UNKNOWN = ("app_share", "daemon_share", "idle_share", "energy_low_j", "energy_high_j", "flops")

RECOVER = "`smaragdine recover OUTPUT` rebuilds a trace that a crash cut"


def attach(connection: duckdb.DuckDBPyConnection, directory: Path, table: str) -> None:
    """Opens a table of the trace in `directory` as the view `table`. Raises SmaragdineError, exit code 2."""
    import duckdb

    file = directory / f"{table}.parquet"
    if str(file).encode(errors="replace").decode() != str(file):
        raise SmaragdineError(f"DuckDB opens no {str(file)!r}: the name is not UTF-8", "rename the trace", exit_code=2)
    parts = _parts(file)
    if not parts:
        raise SmaragdineError(f"the trace {directory} is incomplete: {file.name} is missing", RECOVER, exit_code=2)
    try:
        # A name such as `kind=a` in the path is part of the path, and no column.
        relation = connection.read_parquet(parts, hive_partitioning=False, binary_as_string=True)
        found = {name: str(kind) for name, kind in zip(relation.columns, relation.types, strict=True)}
        missing = [column for column in TABLES[table] if column not in found]
        if missing:
            raise SmaragdineError(
                f"the trace {directory} is damaged: {file.name} has no column {', '.join(missing)}", RECOVER, 2
            )
        cells = [_as(table, name, kind) for name, kind in found.items()]
        relation.project(", ".join(cells)).create_view(table)
    except duckdb.Error as error:
        reason = str(error).splitlines()[0]
        raise SmaragdineError(f"the trace {directory} is damaged: {file.name}: {reason}", RECOVER, 2) from None


def literal(path: Path) -> str:
    """The path as DuckDB takes it, with nothing in it read as a pattern."""
    return "".join(f"[{character}]" if character in "*?[" else character for character in str(path))


def _parts(file: Path) -> list[str]:
    """The files of a table. Beside Spark's parts stand checksums (`.part-….crc`) and marks (`_SUCCESS`)."""
    if file.is_file():
        return [literal(file)]
    parts = sorted(file.iterdir()) if file.is_dir() else []
    return [literal(part) for part in parts if part.suffix == ".parquet" and part.name[0] not in "._"]


def _as(table: str, name: str, found: str) -> str:
    """An expression that gives a column the type that ours has."""
    column = _quoted(name)
    if name not in TABLES[table]:
        return column
    kind = _MAP if table == "steps" and name in ("energy_j", "metrics") else _KINDS.get(name, "VARCHAR")
    cast = column if kind == found else f"cast({column} as {kind})"
    if kind == _MAP and found.endswith("[]"):
        # Polars has lists of a map's entries; what pandas has, a struct with a field for each key, is cast.
        cast = f"map_from_entries(cast({column} as {_ENTRIES}))"
    if found in ("DOUBLE", "FLOAT") and (name in _MAY_BE_UNKNOWN or kind != "DOUBLE"):
        # pandas makes doubles of integers of which some are missing.
        cast = f"case when isnan({column}) then null else {cast} end"
    return f"{cast} as {column}"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
