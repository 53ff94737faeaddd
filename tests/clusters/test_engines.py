"""A job's folder is read as it is by engines that read Parquet by Hive's names: host and rank come from the path."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from testbed.synthetic_job import rank

ENTRIES = ("operations", "application", "untraced", "profiling")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two hosts of two ranks, in a folder whose name has what paths may have."""
    job = tmp_path_factory.mktemp("engines") / "study=a b" / "job"
    for number in range(4):
        rank(job, number, f"node-{number // 2}")
    return job


@pytest.fixture(scope="module")
def told(folder: Path) -> dict[tuple[str, int], float]:
    """Joules of each rank's processes, by DuckDB."""
    rows = duckdb.sql(
        f"select host, rank, sum(energy_j) from read_parquet('{folder}/host=*/rank=*/ledger.parquet', "
        f"hive_partitioning=true) where entry in {ENTRIES} group by all"
    ).fetchall()
    assert sorted(row[:2] for row in rows) == [("node-0", 0), ("node-0", 1), ("node-1", 2), ("node-1", 3)]
    return {(host, number): energy_j for host, number, energy_j in rows}


def test_polars(folder: Path, told: dict[tuple[str, int], float]) -> None:
    pl = pytest.importorskip("polars")
    frame = pl.scan_parquet(f"{folder}/host=*/rank=*/ledger.parquet", hive_partitioning=True)
    sums = frame.filter(pl.col("entry").is_in(ENTRIES)).group_by("host", "rank").agg(pl.col("energy_j").sum())
    assert {(host, number): energy_j for host, number, energy_j in sums.collect().rows()} == pytest.approx(told)


def test_dask(folder: Path, told: dict[tuple[str, int], float]) -> None:
    dd = pytest.importorskip("dask.dataframe")
    files = sorted(str(file) for file in folder.glob("host=*/rank=*/ledger.parquet"))
    frame = dd.read_parquet(files, dataset={"partitioning": "hive", "partition_base_dir": str(folder)})
    own = frame[frame["entry"].isin(list(ENTRIES))]
    sums = own.groupby(["host", "rank"], observed=True)["energy_j"].sum().compute()
    assert {(str(host), int(number)): float(value) for (host, number), value in sums.items()} == pytest.approx(told)


def test_ray_data(folder: Path, told: dict[tuple[str, int], float]) -> None:
    ray = pytest.importorskip("ray")
    pytest.importorskip("ray.data")
    from ray.data.datasource.partitioning import Partitioning

    ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False, configure_logging=False)
    try:
        files = sorted(str(file) for file in folder.glob("host=*/rank=*/ledger.parquet"))
        data = ray.data.read_parquet(files, partitioning=Partitioning("hive", base_dir=str(folder)))
        rows = [row for row in data.take_all() if row["entry"] in ENTRIES]
    finally:
        ray.shutdown()
    sums: dict[tuple[str, int], float] = {}
    for row in rows:
        key = (str(row["host"]), int(row["rank"]))
        sums[key] = sums.get(key, 0.0) + row["energy_j"]
    assert sums == pytest.approx(told)


def test_spark(folder: Path, told: dict[tuple[str, int], float], session: object) -> None:
    from pyspark.sql import functions as f

    frame = session.read.option("basePath", str(folder)).parquet(f"{folder}/host=*/rank=*/ledger.parquet")  # type: ignore[attr-defined]
    sums = frame.where(f.col("entry").isin(*ENTRIES)).groupBy("host", "rank").agg(f.sum("energy_j"))
    assert {(row[0], int(row[1])): row[2] for row in sums.collect()} == pytest.approx(told)
