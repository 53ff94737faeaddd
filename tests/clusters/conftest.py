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
    """A job of 2,000 ranks, or of as many as are asked for: a busy machine takes its time."""
    return many(tmp_path_factory.mktemp("crowd") / "job", int(os.environ.get("SMARAGDINE_RANKS", "2000")))


@pytest.fixture(scope="session")
def job(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two hosts of two ranks, the last of which was started twice."""
    job = tmp_path_factory.mktemp("jobs") / "study=a b" / "job"
    for number in range(4):
        rank(job, number, f"node-{number // 2}", labels={"world_size": "4"})
    rank(job, 3, "node-1", attempt=2, labels={"world_size": "4"})
    return job


class Clock:
    """Prints how long things took, and of whose CPU time, which no test asserts."""

    def __init__(self) -> None:
        self.started = self._now()

    def tell(self, what: str) -> None:
        wall_s, cpu_s = (now - before for now, before in zip(self._now(), self.started, strict=True))
        print(f"\n{what}: {wall_s:.2f} s, {cpu_s:.2f} s of CPU", flush=True)
        self.started = self._now()

    @staticmethod
    def _now() -> tuple[float, float]:
        """Of this process and all that it started, Spark's among them."""
        return time.perf_counter(), sum(_cpu_s(pid) for pid in _descendants(os.getpid()))


def _descendants(pid: int) -> list[int]:
    found = [pid]
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text().split():
            found += _descendants(int(child))
    return found


def _cpu_s(pid: int) -> float:
    """Of a process, and of those that it waited for."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


@pytest.fixture
def clock() -> Clock:
    return Clock()
