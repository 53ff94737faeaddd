"""What Python knows of a trace, its vocabularies, columns and fields, is what `schema/trace.json` says and no more."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from smaragdine.accounts import group, ledger, machine, words
from smaragdine.accounts.domain import Domain
from smaragdine.accounts.energy import BASES
from smaragdine.accounts.row import FootprintRow
from smaragdine.figures import theme
from smaragdine.trace import checksum, columns, metadata, readings
from smaragdine.trace.seal import CHECKSUMS
from testbed import synthetic_trace

ROOT = Path(__file__).parents[2]
SCHEMA: dict[str, Any] = json.loads((ROOT / "schema" / "trace.json").read_text())
FORMAT = (ROOT / "docs" / "trace-format.md").read_text()
TABLES: dict[str, Any] = SCHEMA["tables"]

# What DuckDB calls a column's type.
KINDS = {
    "string": "VARCHAR", "list of strings": "VARCHAR[]", "uint32": "UINTEGER", "uint64": "UBIGINT", "int64": "BIGINT",
    "double": "DOUBLE", "bool": "BOOLEAN", "map string → double": "MAP(VARCHAR, DOUBLE)",
}  # fmt: skip


def vocabulary(name: str) -> tuple[str, ...]:
    return tuple(SCHEMA["$defs"][name]["enum"])


def column_names(table: str) -> list[str]:
    return [column["name"] for column in TABLES[table]["columns"]]


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("Basis", BASES),
        ("Entry", ledger.ENTRIES),
        ("Entry", tuple(ledger.MEANINGS)),
        ("Flag", readings.FLAGS),
        ("Kind", columns.EVENT_KINDS),
        ("OwnLayer", words.LAYER_WORDS),
        ("Phase", words.PHASES),
        ("Phase", tuple(theme.PHASES)),
        ("Policy", words.POLICIES),
        ("State", metadata.STATES),
    ],
)
def test_a_vocabulary_is_the_schemas(name: str, ours: Sequence[str]) -> None:
    assert tuple(ours) == vocabulary(name)


def test_a_reading_is_a_gap_where_its_flag_says_that_its_energy_is_not_known() -> None:
    meanings = SCHEMA["$defs"]["Flag"]["meanings"]
    doubtful = {flag for flag, meaning in meanings.items() if re.search("unknown|be known|lower bound", meaning)}
    assert set(readings.DOUBTS) == doubtful


def test_a_column_with_a_vocabulary_is_checked_against_it() -> None:
    told = {
        column["name"]: vocabulary(column["words"]["$ref"].rpartition("/")[2])
        for table in TABLES.values()
        for column in table["columns"]
        if "words" in column
    }
    # Layers are the user's own beside ours; sources may be others'; a list's words are looked at one by one.
    assert {name: told[name] for name in told.keys() - {"layer", "source", "flags"}} == columns._WORDS


@pytest.mark.parametrize("table", TABLES)
def test_a_tables_columns_are_the_schemas(table: str) -> None:
    assert columns.kinds(table).keys() == set(column_names(table))
    assert columns.kinds(table) == {column["name"]: KINDS[column["type"]] for column in TABLES[table]["columns"]}
    assert TABLES[table]["file"] == f"{table}.parquet"


def test_the_tables_are_the_schemas() -> None:
    assert list(columns.TABLES) == list(TABLES)


@pytest.mark.parametrize("table", TABLES)
def test_what_may_be_null_in_a_column_is_what_the_schema_lets_be(table: str) -> None:
    nullable = {column["name"] for column in TABLES[table]["columns"] if column["nullable"]}
    refused = {
        match[1] for problem in columns.doubts(table) if (match := re.fullmatch(r"column (\w+) has nulls", problem))
    }
    assert not nullable & refused
    # Columns that came later are absent from older traces; lists and maps that are empty may be null.
    may_be_absent = {name for name, kind in columns.kinds(table).items() if kind.endswith("[]") or "MAP" in kind}
    assert set(columns.TABLES[table]) - refused - may_be_absent == nullable - set(columns.FURTHER.get(table, ()))


@pytest.mark.parametrize("table", TABLES)
def test_a_made_up_trace_has_the_schemas_columns(table: str) -> None:
    made_up = re.findall(r"(?:^|, )(\w+) ", synthetic_trace._COLUMNS[table])
    assert made_up == column_names(table)


@pytest.mark.parametrize("table", TABLES)
def test_every_column_is_documented_and_no_other(table: str) -> None:
    section = FORMAT.split(f"## {table}.parquet\n")[1].split("\n## ")[0].split("\n| flag |")[0]
    cells = re.findall(r"^\| (`.*?) \|", section, re.MULTILINE)
    assert {name for cell in cells for name in re.findall(r"`(\w+)`", cell)} == set(column_names(table))


def test_every_flag_is_documented_and_no_other() -> None:
    documented = FORMAT.split("\n| flag |")[1].split("\n\n")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", documented, re.MULTILINE)) == set(vocabulary("Flag"))


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("Checksum", checksum.Checksum),
        ("Domain", Domain),
        ("GpuHardware", machine.GpuHardware),
        ("Hardware", machine.Hardware),
        ("Host", machine.Host),
        ("RecordingOptions", metadata.RecordingOptions),
        ("Sensor", metadata.Sensor),
        ("SourceReport", metadata.SourceReport),
    ],
)
def test_a_noun_of_trace_json_has_fields_that_the_schema_has(name: str, ours: type) -> None:
    told = SCHEMA["$defs"][name]
    fields = {field.name: field for field in dataclasses.fields(ours)}
    assert fields.keys() <= told["properties"].keys()
    # What Python cannot do without is always there.
    needed = {field for field, one in fields.items() if one.default is one.default_factory is dataclasses.MISSING}
    assert needed <= set(told.get("required", ()))
    nullable = {field for field in fields if "null" in (told["properties"][field].get("type") or ())}
    assert not nullable & needed


def test_trace_json_has_every_field_that_is_read() -> None:
    ours = {field.name for field in dataclasses.fields(metadata.Metadata)} - {"raw"} | {CHECKSUMS}
    assert ours <= SCHEMA["properties"].keys()
    coverage = {field.name for field in dataclasses.fields(metadata.RecordedCoverage)}
    assert coverage <= SCHEMA["$defs"]["Coverage"]["properties"].keys()
    changes = {
        name
        for one in (SCHEMA["$defs"]["ClockChange"]["anyOf"][0], SCHEMA["$defs"]["Suspension"])
        for name in one["properties"]
    }
    assert {field.name for field in dataclasses.fields(metadata.ClockChange)} == changes


def test_a_footprints_rows_are_columns_of_the_tables_and_its_keys_names_in_them() -> None:
    told = {*column_names("footprint"), *column_names("ops")}
    assert {field.name for field in dataclasses.fields(FootprintRow)} <= told
    assert set(group.KEYS) - {"stef"} <= told
