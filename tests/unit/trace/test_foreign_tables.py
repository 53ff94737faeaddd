"""Tables that pandas, DuckDB, Polars or Spark wrote in place of ours: every command says what it said before."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from smaragdine import SmaragdineError, Trace
from smaragdine.cli import main
from smaragdine.cli.ending import exit_code
from smaragdine.trace.tables import TABLES
from testbed import synthetic_trace

pytestmark = pytest.mark.daemon

Rewrite = Callable[[Path], None]
MAPS = ("energy_j", "metrics")


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trace that smaragdined wrote the accounts of."""
    path = synthetic_trace.write(tmp_path_factory.mktemp("traces") / "bert")
    for policy in ("equal", "recency", "deconvolved"):
        assert main(["account", str(path), "--policy", policy]) == 0
    return path


def rewritten(ours: Path, to: Path, rewrite: Rewrite) -> Path:
    shutil.copytree(ours, to)
    for file in sorted(to.glob("*.parquet")):
        rewrite(file)
    return to


def said(trace: Path, capsys: pytest.CaptureFixture[str]) -> list[object]:
    """What the commands that tell numbers say; `account` first, so that they say what it made of the tables."""
    told: list[object] = []
    for policy in ("equal", "deconvolved"):
        commands = [["account", "--policy", policy], ["footprint", "--policy", policy], ["ledger", "--policy", policy]]
        commands.append(["footprint", "--policy", policy, "--by", "layer", "--scope", "run", "--format", "json"])
        for command, *options in commands:
            code = main([command, str(trace), *options])
            printed = capsys.readouterr()
            told.append((command, code, printed.out.replace(str(trace), "TRACE"), printed.err))
    opened = Trace.open(trace)
    told += [opened.steps, opened.flops(), opened.ops(), opened.edges(), opened.totals()]
    told += [{name: readings.total_j for name, readings in opened.readings.items()}]
    told += [{name: readings.gap.tolist() for name, readings in opened.readings.items()}]
    for table, columns in TABLES.items():
        relation = opened.sql(f"select {', '.join(columns)} from {table}")
        told.append([str(kind) for kind in relation.types])
    return told


def arrow(change: Callable[[str, pa.ChunkedArray], Any], **options: Any) -> Rewrite:
    """pyarrow, with each column as `change` has it."""

    def rewrite(file: Path) -> None:
        table = pq.read_table(file)
        columns = {name: change(f"{file.stem}.{name}", table[name]) for name in table.column_names}
        pq.write_table(pa.table(columns), file, **options)

    return rewrite


def same(name: str, column: pa.ChunkedArray) -> pa.ChunkedArray:
    return column


def by_pandas(file: Path) -> None:
    """As a data scientist does it: read, look, write. pyarrow refuses maps, unless they are made dictionaries."""
    frame = pd.read_parquet(file)
    for name in MAPS:
        if file.stem == "steps":
            frame[name] = frame[name].map(dict)
    frame.to_parquet(file)


def by_duckdb(file: Path) -> None:
    rows = duckdb.sql(f"select * from read_parquet('{file}')").arrow()
    rows = rows.read_all() if isinstance(rows, pa.RecordBatchReader) else rows
    duckdb.sql(f"copy rows to '{file}' (format parquet, row_group_size 2048)")


def by_polars(file: Path) -> None:
    """As Polars writes: maps are lists of entries, all strings are large, and it compresses with zstd."""

    def change(name: str, column: pa.ChunkedArray) -> Any:
        if pa.types.is_map(column.type):
            entry = pa.struct([("key", pa.large_string()), ("value", pa.float64())])
            entries = [[{"key": key, "value": value} for key, value in row or []] for row in column.to_pylist()]
            return pa.array(entries, pa.large_list(entry))
        return column.cast(pa.large_string()) if pa.types.is_string(column.type) else column

    arrow(change, compression="zstd", row_group_size=1000)(file)


def spark(name: str, column: pa.ChunkedArray) -> Any:
    """Spark's types: no unsigned integers. It compresses with snappy."""
    if pa.types.is_uint32(column.type):
        return column.cast(pa.int64())
    if pa.types.is_uint64(column.type):
        values = [None if value is None else Decimal(value) for value in column.to_pylist()]
        return pa.array(values, pa.decimal128(20, 0))
    return column


def by_spark(file: Path) -> None:
    """A folder of parts, with a checksum of each and a mark beside them."""
    arrow(spark)(file)
    table = pq.read_table(file)
    file.unlink()
    file.mkdir()
    half = table.num_rows // 2
    for number, part in enumerate((table[:half], table[half:])):
        name = f"part-{number:05}-b5c1a1d0-c000.snappy.parquet"
        pq.write_table(part, file / name)
        (file / f".{name}.crc").write_bytes(b"crc")
    (file / "_SUCCESS").touch()


def reversed_with_more(file: Path) -> None:
    table = pq.read_table(file)
    table = table.append_column("note", pa.array(["x"] * table.num_rows)).append_column("more", pa.nulls(len(table)))
    pq.write_table(table.select(table.column_names[::-1]), file, compression="gzip")


def shuffled(file: Path) -> None:
    """DuckDB keeps no order where it is told not to, and Spark none after a shuffle."""
    table = pq.read_table(file)
    pq.write_table(table.take(pa.array(list(range(table.num_rows))[::-1], pa.int64())), file)


REWRITES: dict[str, Rewrite] = {
    "pandas": by_pandas,
    "pandas with Arrow's types": lambda file: pd.read_parquet(file, dtype_backend="pyarrow").to_parquet(file),
    "duckdb": by_duckdb,
    "polars": by_polars,
    "spark": by_spark,
    "other order and more columns": reversed_with_more,
    "bytes for strings": arrow(
        lambda name, column: column.cast(pa.binary()) if pa.types.is_string(column.type) else column
    ),
    "dictionaries": arrow(
        lambda name, column: column.dictionary_encode() if pa.types.is_string(column.type) else column
    ),
    "an old version of Parquet": arrow(same, version="1.0", use_deprecated_int96_timestamps=True),
    "pages of version 2": arrow(same, data_page_version="2.0", row_group_size=97, data_page_size=512),
    **{
        codec: arrow(same, compression=codec)
        for codec in ("none", "snappy", "gzip", "lz4", "brotli", "zstd")
    },
}  # fmt: skip


@pytest.mark.parametrize("rewrite", REWRITES.values(), ids=REWRITES)
def test_every_command_says_what_it_said_before(
    rewrite: Rewrite, ours: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = said(rewritten(ours, tmp_path / "ours", lambda file: None), capsys)
    assert said(rewritten(ours, tmp_path / "theirs", rewrite), capsys) == before


def test_rows_in_another_order_are_the_same_trace(
    ours: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    theirs = rewritten(ours, tmp_path / "theirs", shuffled)
    for trace in (ours, theirs):
        assert main(["account", str(trace)]) == 0
    capsys.readouterr()
    before, after = (Trace.open(trace) for trace in (ours, theirs))
    assert after.steps == before.steps
    assert after.ops() == before.ops()
    # Sums of the same numbers in another order.
    for one, other in zip(after.footprint().rows, before.footprint().rows, strict=True):
        assert (one.op, one.device, one.count) == (other.op, other.device, other.count)
        assert one.energy_j == pytest.approx(other.energy_j, rel=1e-9)


def test_a_nan_for_what_is_not_known_stays_unknown(ours: Path, tmp_path: Path) -> None:
    """As programs write that tell no null from NaN."""
    import pyarrow.compute as pc

    unknown = {"readings.app_share", "footprint.energy_low_j", "footprint.energy_high_j", "ops.flops", "events.step"}

    def change(name: str, column: pa.ChunkedArray) -> Any:
        return pc.fill_null(column.cast(pa.float64()), float("nan")) if name in unknown else column

    theirs = rewritten(ours, tmp_path / "theirs", arrow(change))
    assert main(["account", str(theirs)]) == 0
    before, after = Trace.open(ours), Trace.open(theirs)
    assert after.footprint().rows == before.footprint().rows
    assert after.flops() == before.flops()
    assert after.ledger() == before.ledger()


def test_a_folder_whose_name_looks_like_a_column_is_none(ours: Path, tmp_path: Path) -> None:
    theirs = tmp_path / "phase=backward" / "op=7" / "policy=recency"
    shutil.copytree(ours, theirs)
    assert Trace.open(theirs).footprint().rows == Trace.open(ours).footprint().rows
    assert Trace.open(theirs).ops() == Trace.open(ours).ops()


@pytest.mark.parametrize(
    ("table", "column", "values", "said"),
    [
        ("edges", "to_op", pa.array([-1]), "`to_op` holds -1"),
        ("events", "op", pa.array([0.5]), "`op` holds 0.5"),
        ("events", "start_ns", pa.array(["noon"]), "`start_ns` is Utf8"),
    ],
)
def test_what_cannot_be_meant_is_damage_that_names_the_column(
    table: str, column: str, values: pa.Array, said: str, ours: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    theirs = tmp_path / "theirs"
    shutil.copytree(ours, theirs)
    file = theirs / f"{table}.parquet"
    rows = pq.read_table(file)
    at = rows.column_names.index(column)
    pq.write_table(rows.set_column(at, column, pa.array(values.to_pylist() * rows.num_rows)), file)
    assert main(["account", str(theirs)]) != 0
    assert said in capfd.readouterr().err


def test_a_type_that_no_number_can_be_read_from_is_damage_and_no_traceback(ours: Path, tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    shutil.copytree(ours, theirs)
    rows = pq.read_table(theirs / "steps.parquet")
    at = rows.column_names.index("energy_j")
    spoilt = rows.set_column(at, "energy_j", pa.array([7] * rows.num_rows))
    pq.write_table(spoilt, theirs / "steps.parquet")
    with pytest.raises(SmaragdineError, match="damaged") as raised:
        _ = Trace.open(theirs).steps
    assert exit_code(raised.value) == 2
