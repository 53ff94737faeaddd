"""Thousands of traces on Spark: what DuckDB adds up over the same files, Spark does; what is damaged is told."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

import smaragdine
from smaragdine import spark
from smaragdine.errors import UsageError
from testbed.synthetic_job import rank
from tests.support.ranked import may_unshare, record_on_two_nodes

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def test_thousands_of_traces_are_what_duckdb_makes_of_them(session: SparkSession, crowd: Path, clock: Any) -> None:
    from pyspark.sql import functions as f

    session.range(10).mapInArrow(lambda batches: batches, "id long").count()
    clock.tell("Spark started")
    footprints = spark.footprints(session, crowd)
    summed = footprints.groupBy("layer", "phase").agg(f.sum("energy_j"), f.countDistinct("trace"), f.count("problem"))
    by_spark = {(row[0], row[1]): tuple(row[2:]) for row in summed.collect()}
    count = len(list(crowd.glob("host=*/rank=*")))
    clock.tell(f"Spark, mapInArrow, footprints of {count} traces, every table checked against its seal")
    by_duckdb = duckdb.sql(
        "select layer, phase, sum(energy_j), count(distinct host || rank) "
        f"from read_parquet('{crowd}/host=*/rank=*/footprint.parquet', hive_partitioning=true) as f "
        f"join read_parquet('{crowd}/host=*/rank=*/ops.parquet', hive_partitioning=true) as o using (host, rank, op) "
        "group by all"
    ).fetchall()
    clock.tell("DuckDB, the same sums over the same files, nothing checked")
    assert set(by_spark) == {row[:2] for row in by_duckdb}
    for layer, phase, energy_j, traces in by_duckdb:
        assert by_spark[layer, phase] == (pytest.approx(energy_j, rel=1e-9), traces, 0)
        assert traces == count
    read = session.read.parquet(f"{crowd}/host=*/rank=*/footprint.parquet").agg(f.sum("energy_j")).collect()[0][0]
    clock.tell("Spark's own reader, the sum of energy over the same files")
    assert read == pytest.approx(sum(row[2] for row in by_duckdb), rel=1e-9)


def test_thousands_of_traces_are_accounted_anew_and_stay_as_they_are(
    session: SparkSession, crowd: Path, clock: Any
) -> None:
    count = len(list(crowd.glob("host=*/rank=*")))
    before = {path: path.read_bytes() for path in (crowd / "host=node-0/rank=0").iterdir()}
    rows = spark.ledgers(session, crowd, "recency", account=True).collect()
    clock.tell(f"Spark, mapInArrow, {count} traces accounted anew by `recency`")
    assert {row["problem"] for row in rows} == {None}
    by_trace: dict[str, dict[tuple[str, str], float]] = {}
    for row in rows:
        by_trace.setdefault(row["trace"], {})[row["domain"], row["entry"]] = row["energy_j"]
    assert len(by_trace) == count
    # All are copies of one, so each says what the daemon says of that one.
    assert len({tuple(sorted(entries.items())) for entries in by_trace.values()}) == 1
    assert {path: path.read_bytes() for path in before} == before


def test_what_spark_accounts_is_what_the_command_accounts(session: SparkSession, job: Path, tmp_path: Path) -> None:
    one = rank(tmp_path / "one", 0)
    (tmp_path / "one/host=a").rename(tmp_path / "one/host=node-0")
    one = tmp_path / "one/host=node-0/rank=0"
    told = {
        (row["qtn"], row["device"]): row["energy_j"]
        for row in spark.footprints(session, [job / "host=node-0/rank=0"], "recency", account=True).collect()
    }
    subprocess.run([os.environ["SMARAGDINE_BIN"], "account", str(one), "--policy", "recency"], check=True)
    footprint = smaragdine.Trace.open(one).footprint("recency")
    assert told == pytest.approx({(row.qtn, row.device): row.energy_j for row in footprint}, rel=1e-12)


def test_a_damaged_trace_is_a_row_that_says_so_and_the_others_add_up(session: SparkSession, tmp_path: Path) -> None:
    for number in range(3):
        rank(tmp_path / "job", number)
    broken = tmp_path / "job/host=a/rank=1/ledger.parquet"
    broken.write_bytes(broken.read_bytes()[:-40])
    told = spark.ledgers(session, tmp_path / "job")
    problems = [row for row in told.collect() if row["problem"] is not None]
    assert [(row["trace"], row["rank"], row["energy_j"]) for row in problems] == [(str(broken.parent), 1, None)]
    assert "damaged" in problems[0]["problem"]
    assert {row["rank"] for row in told.where("problem is null").collect()} == {0, 2}


def test_traces_below_a_folder_are_a_jobs_parts_and_single_ones(tmp_path: Path, job: Path) -> None:
    assert [Path(path).relative_to(job) for path in spark.traces_below(job)] == [
        Path("host=node-0/rank=0"), Path("host=node-0/rank=1"), Path("host=node-1/rank=2"),
        Path("host=node-1/rank=3"), Path("host=node-1/rank=3/attempt=2"),
    ]  # fmt: skip
    with pytest.raises(UsageError, match="no trace below"):
        spark.footprints(None, tmp_path)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="no policy"):
        spark.footprints(None, job, "fair")  # type: ignore[arg-type]


def test_a_jobs_total_by_merge_by_duckdb_and_by_spark_is_one(session: SparkSession, job: Path) -> None:
    from pyspark.sql import functions as f

    whole = smaragdine.Job.open(job)
    own = ("operations", "application", "untraced", "profiling")
    by_library = sum(whole.ledger().entry(entry).measured_j for entry in own)
    by_duckdb = duckdb.sql(
        f"select sum(energy_j) from read_parquet(['{job}/host=*/rank=*/ledger.parquet', "
        f"'{job}/host=*/rank=*/attempt=*/ledger.parquet']) where entry in {own} and policy = 'equal'"
    ).fetchall()
    by_spark = spark.ledgers(session, job).where(f.col("entry").isin(*own)).agg(f.sum("energy_j")).collect()[0][0]
    assert len(by_duckdb) == 1
    assert by_duckdb[0][0] == pytest.approx(by_library, rel=1e-9)
    assert by_spark == pytest.approx(by_library, rel=1e-9)


def test_two_nodes_of_four_ranks_hold_each_register_once_by_merge_duckdb_and_spark(
    session: SparkSession, tmp_path: Path
) -> None:
    from pyspark.sql import functions as f

    output = record_on_two_nodes(tmp_path, unshared=may_unshare())
    subprocess.run([sys.executable, "-m", "smaragdine", "merge", str(output)], check=True)
    by_library = smaragdine.Job.open(output).ledger().total.measured_j
    query = f"select sum(energy_j) from '{output}/ledger.parquet' where policy = 'equal'"
    rows = duckdb.sql(query).fetchall()
    assert rows[0][0] == pytest.approx(by_library, rel=1e-9)
    merged = session.read.parquet(f"{output}/ledger.parquet").where("policy = 'equal'")
    assert merged.agg(f.sum("energy_j")).collect()[0][0] == pytest.approx(by_library, rel=1e-9)
