"""Jobs to read, and Spark on two of this machine's cores."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from testbed.hardware import built
from testbed.synthetic_job import many, rank

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def real_daemon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMARAGDINE_BIN", binary())


def binary() -> str:
    return os.environ.get("SMARAGDINE_BIN") or str(built("smaragdine-core", "smaragdined"))


@pytest.fixture(scope="session")
def session() -> Iterator[SparkSession]:
    if shutil.which("java") is None:
        pytest.skip("needs Java 17 or newer: apt-get install openjdk-17-jre-headless")
    from pyspark.sql import SparkSession

    # Executors are processes of their own, which import what they are given from there.
    os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT / "python"), str(ROOT)])
    os.environ["PYSPARK_PYTHON"] = sys.executable
    os.environ["SMARAGDINE_BIN"] = binary()
    builder = SparkSession.builder.master("local[2]").appName("smaragdine")
    builder = builder.config("spark.ui.enabled", "false").config("spark.sql.shuffle.partitions", "4")
    session = builder.config("spark.driver.bindAddress", "127.0.0.1").getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    yield session
    session.stop()


@pytest.fixture(scope="session")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A job of 2,000 ranks."""
    return many(tmp_path_factory.mktemp("crowd") / "job", 2_000)


@pytest.fixture(scope="session")
def job(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two hosts of two ranks, the last of which was started twice."""
    job = tmp_path_factory.mktemp("jobs") / "study=a b" / "job"
    for number in range(4):
        rank(job, number, f"node-{number // 2}", labels={"world_size": "4"})
    rank(job, 3, "node-1", attempt=2, labels={"world_size": "4"})
    return job


class Clock:
    """Prints how long things took, which no test asserts."""

    def __init__(self) -> None:
        self.started = time.perf_counter()

    def tell(self, what: str) -> None:
        print(f"\n{what}: {time.perf_counter() - self.started:.2f} s", flush=True)
        self.started = time.perf_counter()


@pytest.fixture
def clock() -> Clock:
    return Clock()
