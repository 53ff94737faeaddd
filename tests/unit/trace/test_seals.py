"""Checksums: Rust and Python compute the same, and what another program wrote again is as it was sealed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from test_foreign_tables import REWRITES, Rewrite

from smaragdine import SmaragdineError, Trace
from smaragdine.cli import main
from smaragdine.trace.columns import TABLES
from smaragdine.trace.seal import CHECKSUMS, SEAL, seal
from testbed import synthetic_trace
from testbed.sealed import checksum

pytestmark = pytest.mark.daemon


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trace without checksums that smaragdined accounted and sealed, in numbers and words of every kind."""
    program = synthetic_trace.Program()
    program.dense("net/größe", program.op("net/embed", "GatherV2", 1.0), 2.0)
    hardware = {"tiny": 1e-7, "whole": 4.0, "huge": 2.0**60, "minus": -0.0, "most": 2**64 - 1, "name": "Größe \u2028\0"}
    path = synthetic_trace.write(
        tmp_path_factory.mktemp("ours") / "t", program, steps=4, traced=(1,), gpu=True, overrides={"hardware": hardware}
    )
    at = synthetic_trace.START_NS
    rows = [[0, 1], ["request", "größe"], [None, 0], [at, at + 1], [at + 9, at + 2], [7, None], [None, 1]]
    spans = {
        of.name: pa.array(row, of.type) for of, row in zip(pq.read_schema(path / "spans.parquet"), rows, strict=True)
    }
    pq.write_table(pa.table(spans), path / "spans.parquet")
    fields = json.loads((path / "trace.json").read_text())
    (path / "trace.json").write_text(json.dumps({k: v for k, v in fields.items() if k not in (SEAL, CHECKSUMS)}))
    for policy in ("equal", "deconvolved"):
        assert main(["account", str(path), "--policy", policy]) == 0
    return path


def test_both_languages_compute_the_same(ours: Path) -> None:
    fields = json.loads((ours / "trace.json").read_text())
    assert fields[SEAL] == seal(fields)
    for table in TABLES:
        assert fields[CHECKSUMS][table] == checksum(ours / f"{table}.parquet"), table


@pytest.mark.parametrize("rewrite", REWRITES.values(), ids=REWRITES)
def test_what_another_program_wrote_again_is_as_it_was_sealed(
    rewrite: Rewrite, ours: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    theirs = tmp_path / "theirs"
    shutil.copytree(ours, theirs)
    for file in sorted(theirs.glob("*.parquet")):
        rewrite(file)
    opened = Trace.open(theirs)
    for table in TABLES:
        for _ in opened.batches(f"from {table}"):
            pass
    capfd.readouterr()
    assert main(["account", str(theirs)]) == 0
    assert "changed" not in capfd.readouterr().err


@pytest.mark.parametrize("table", TABLES)
def test_one_value_that_another_program_changed_is_told(table: str, ours: Path, tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    shutil.copytree(ours, theirs)
    file = theirs / f"{table}.parquet"
    rows = pq.read_table(file)
    for name in rows.column_names:
        values = rows[name].to_pylist()
        values[-1] = {bool: lambda v: not v, str: lambda v: v + "x", list: lambda v: [*v, "new"]}.get(
            type(values[-1]), lambda v: None if v is not None else 1
        )(values[-1])
        if name in ("energy_j", "metrics") and table == "steps":
            values = [[*value, ("more", 1.0)] for value in rows[name].to_pylist()]
        if name == "fused":
            values[-1] = "Relu"
        at = rows.column_names.index(name)
        pq.write_table(rows.set_column(at, name, pa.array(values, rows[name].type)), file)
        with pytest.raises(SmaragdineError, match=f"{table}.parquet was changed: column {name} is not"):
            list(Trace.open(theirs).batches(f"from {table}"))


def test_formatting_metadata_anew_changes_nothing(ours: Path, tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    shutil.copytree(ours, theirs)
    fields = json.loads((theirs / "trace.json").read_text())
    (theirs / "trace.json").write_text(json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=True))
    assert Trace.open(theirs).ledger() == Trace.open(ours).ledger()
    fields["hardware"]["whole"] = 5
    (theirs / "trace.json").write_text(json.dumps(fields))
    with pytest.raises(SmaragdineError, match="its fields are not those that were sealed"):
        Trace.open(theirs)
