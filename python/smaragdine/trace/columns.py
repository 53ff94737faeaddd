"""The columns of a trace's tables, and as which types others write them.

Others have no unsigned integers, none that may be missing, no maps, or no type for a column without values. What a
column says counts, not how: every view has the columns and types of ours, and no name that a file brings enters SQL.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from smaragdine.accounts.energy import BASES
from smaragdine.accounts.ledger import ENTRIES
from smaragdine.accounts.words import PHASES, POLICIES

# The columns that reading needs.
TABLES = {
    "readings": ("domain", "start_ns", "end_ns", "energy_j", "app_share", "daemon_share", "idle_share", "flags"),
    "events": ("op", "device", "lane", "kind", "start_ns", "end_ns", "step"),
    "ops": ("op", "qtn", "layer", "type", "phase", "raw_name", "flops"),
    "edges": ("from_op", "to_op"),
    "steps": ("step", "epoch", "start_ns", "end_ns", "traced", "samples", "energy_j", "metrics"),
    "footprint": ("policy", "op", "device", "basis", "energy_j", "energy_low_j", "energy_high_j", "time_s", "count"),
    "footprint_domains": ("policy", "op", "domain", "energy_j"),
    "ledger": ("policy", "domain", "entry", "energy_j"),
    "metrics": ("time_ns", "metric", "scope", "value"),
    "spans": ("span", "name", "parent", "start_ns", "end_ns", "tokens", "requests"),
}
# Earlier versions wrote none: where one is not there, and was not sealed, it has no rows.
LATER = ("metrics", "spans")
# Those that a table has besides; null where it has none.
FURTHER = {
    "readings": ("edge_uncertainty_ns", "read_start_ns", "read_end_ns", "source"),
    "events": ("correlation",),
    "ops": ("fused",),
    "footprint": ("power_w",),
}
# Columns that hold numbers of operations; of a footprint, the one that is missing is told.
REFERS = {"events": ("op",), "edges": ("from_op", "to_op"), "footprint_domains": ("op",)}
_MAP = "MAP(VARCHAR, DOUBLE)"
_ENTRIES = "STRUCT(key VARCHAR, value DOUBLE)[]"
_KINDS = {
    **dict.fromkeys(("op", "from_op", "to_op", "lane", "span", "parent"), "UINTEGER"),
    **dict.fromkeys(("start_ns", "end_ns", "step", "epoch", "samples", "count"), "BIGINT"),
    **dict.fromkeys(("tokens", "requests"), "BIGINT"),
    **dict.fromkeys(("edge_uncertainty_ns", "read_start_ns", "read_end_ns", "time_ns"), "BIGINT"),
    **dict.fromkeys(("energy_j", "energy_low_j", "energy_high_j", "time_s", "power_w", "flops", "value"), "DOUBLE"),
    **dict.fromkeys(("app_share", "daemon_share", "idle_share"), "DOUBLE"),
    "correlation": "UBIGINT",
    "traced": "BOOLEAN",
    "flags": "VARCHAR[]",
}
# Null where it is not known, for which some write NaN.
_MAY_BE_UNKNOWN = ("app_share", "daemon_share", "idle_share", "energy_low_j", "energy_high_j", "power_w", "flops")
_MAY_BE_NULL = (*_MAY_BE_UNKNOWN, "samples", "flags", "metrics", "parent", "tokens", "requests")

EVENT_KINDS = ("compute", "copy", "wait")

_WORDS = {
    "policy": POLICIES,
    "basis": BASES,
    "entry": ENTRIES,
    "phase": PHASES,
    "kind": EVENT_KINDS,
}
# Differences of instants stay within 64 bits, sums of energies within a double.
_LATEST_NS = 2**62
_MOST = 1e30


def kinds(table: str) -> dict[str, str]:
    """DuckDB's type of each column of a table's view."""
    maps = dict.fromkeys(("energy_j", "metrics"), _MAP) if table == "steps" else {}
    names = (*TABLES[table], *FURTHER.get(table, ()))
    return {name: maps.get(name) or _KINDS.get(name, "VARCHAR") for name in names}


def cells(table: str, found: Mapping[str, str]) -> str:
    """What to select from a file with the columns `found` (type by name), so that it has the columns of ours."""
    return ", ".join(_cell(name, kind, found.get(name)) for name, kind in kinds(table).items())


def _cell(name: str, kind: str, found: str | None) -> str:
    column = quoted(name)
    if found is None:
        return f"cast(null as {kind}) as {column}"
    cast = column if kind == found else f"cast({column} as {kind})"
    if kind == _MAP and found.endswith("[]"):
        # Polars has lists of a map's entries; what pandas has, a struct with a field for each key, is cast.
        cast = f"map_from_entries(cast({column} as {_ENTRIES}))"
    if found in ("DOUBLE", "FLOAT") and (name in _MAY_BE_UNKNOWN or kind != "DOUBLE"):
        # pandas makes doubles of integers of which some are missing.
        cast = f"case when isnan({column}) then null else {cast} end"
    return f"{cast} as {column}"


def doubts(table: str) -> dict[str, str]:
    """Conditions over a view's rows that hold for one in which no recording can have said so, by what is wrong."""
    return dict(_doubts(table))


def _doubts(table: str) -> Iterator[tuple[str, str]]:
    known = kinds(table)
    for name, kind in known.items():
        column = quoted(name)
        may_be_null = name in _MAY_BE_NULL or kind == _MAP or (table, name) == ("events", "step")
        if name in TABLES[table] and not may_be_null:
            yield f"column {name} has nulls", f"{column} is null"
        if name in _WORDS:
            words = ", ".join(f"'{word}'" for word in _WORDS[name])
            yield f"column {name} holds a word that is not known", f"{column} not in ({words})"
        if kind == "DOUBLE":
            yield f"column {name} holds what is no number", f"not isfinite({column}) or abs({column}) > {_MOST}"
        if kind == "BIGINT" and name.endswith("_ns"):
            yield f"column {name} holds no time", f"{column} not between -{_LATEST_NS} and {_LATEST_NS}"
    for name in REFERS.get(table, ()):
        # Operations are numbered one by one.
        yield f"column {name} holds what ops.parquet does not", f"{quoted(name)} >= (select count(*) from ops)"
    if "start_ns" in known:
        yield "something ends before it starts", "end_ns < start_ns"
    if "count" in known:
        yield "a count is negative", '"count" < 0'


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
