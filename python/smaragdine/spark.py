"""Thousands of traces on Spark: their footprints and ledgers as one table, accounted anew where that is asked.

from smaragdine import spark
spark.footprints(session, "runs/").groupBy("layer").sum("energy_j").show()

Needs `pip install 'smaragdine[spark]'` on driver and executors, a Java that this Spark takes (17 or newer), and traces
that executors reach by the same path: on a shared file system, or in object storage (`s3://…`).
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smaragdine.accounts.ledger import LedgerRow
from smaragdine.accounts.row import FootprintRow
from smaragdine.accounts.words import POLICIES
from smaragdine.daemon.binary import find_binary
from smaragdine.errors import SmaragdineError, TraceError, UsageError
from smaragdine.files.ranks import HOST, placed
from smaragdine.trace.accounting import Accounting
from smaragdine.trace.copied import copy, copy_sealed
from smaragdine.trace.footprint import footprint_of
from smaragdine.trace.here import here
from smaragdine.trace.metadata import Metadata
from smaragdine.trace.tables import Tables

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame, SparkSession

__all__ = ["footprints", "ledgers", "traces_below"]

_WHOSE = "trace string, host string, rank long, attempt long"
_FOOTPRINT = (
    "op long, qtn string, layer string, type string, phase string, device string, basis string, energy_j double, "
    "energy_low_j double, energy_high_j double, time_s double, count long"
)
_LEDGER = "domain string, device string, basis string, entry string, energy_j double"
# As many traces a task: few enough that one straggler is short, so many that starting it is not what is paid for.
_A_TASK = 50

_Rows = Callable[[Accounting, str], Iterable[FootprintRow | LedgerRow]]


def footprints(
    session: SparkSession,
    traces: str | Path | Iterable[str | Path],
    policy: str = "equal",
    *,
    account: bool = False,
    partitions: int | None = None,
) -> DataFrame:
    """A row per trace, operation, device and basis: joules and seconds, as `Trace.footprint`.

    `traces`: paths or URLs, or one folder, of which all traces below are taken, a job's parts each. `account`: accounts
    a copy of each by `policy` first; what lies in the folder stays as it is. A trace that cannot be read is one row
    with nothing but its path and a `problem`, which is null in all others: count these before you add up.
    """
    return _rows(session, traces, policy, _footprint, _FOOTPRINT, account, partitions)


def ledgers(
    session: SparkSession,
    traces: str | Path | Iterable[str | Path],
    policy: str = "equal",
    *,
    account: bool = False,
    partitions: int | None = None,
) -> DataFrame:
    """A row per trace, counted domain and entry, in joules; otherwise as `footprints`.

    Ranks of one host saw the same registers: add up `operations`, `application`, `untraced` and `profiling` over them,
    and never the rest, which `smaragdine merge` counts once.
    """
    return _rows(session, traces, policy, _ledger, _LEDGER, account, partitions)


def traces_below(folder: str | Path) -> list[str]:
    """Every finished or cut trace below a folder on a file system, in order; of a merged job its parts."""
    found = []
    for path, folders, files in os.walk(folder):
        ranks = any(name.startswith(HOST) for name in folders)
        # A folder may hold a rank's first attempt, and below it the further ones.
        if "trace.json" in files and not ranks:
            found.append(path)
        folders[:] = sorted(name for name in folders if not name.endswith(".parquet"))
    return sorted(found)


def _rows(
    session: SparkSession,
    traces: str | Path | Iterable[str | Path],
    policy: str,
    rows: _Rows,
    columns: str,
    account: bool,
    partitions: int | None,
) -> DataFrame:
    if policy not in POLICIES:
        raise UsageError(f"there is no policy {policy!r}", f"choose one of {', '.join(POLICIES)}")
    paths = traces_below(traces) if isinstance(traces, str | Path) else [str(path) for path in traces]
    if not paths:
        raise UsageError(f"there is no trace below {traces}" if isinstance(traces, str | Path) else "no trace is named")
    schema = f"{_WHOSE}, {columns}, problem string"
    tasks = partitions or max(session.sparkContext.defaultParallelism, -(-len(paths) // _A_TASK))
    named = session.createDataFrame([(path,) for path in paths], "trace string").repartition(tasks)
    return named.mapInArrow(_Task(policy, rows, columns, account), schema)


class _Task:
    """What an executor does with some of the paths: batches of paths in, a batch of rows for each trace out."""

    def __init__(self, policy: str, rows: _Rows, columns: str, account: bool) -> None:
        self.policy, self.rows, self.account = policy, rows, account
        self.columns = [column.split()[0] for column in columns.split(", ")]

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for path in batch.column("trace").to_pylist():
                yield self._batch(path)

    def _batch(self, path: str) -> pa.RecordBatch:
        try:
            rows, problem = self._of(path), None
        except (SmaragdineError, OSError) as error:
            rows, problem = [], str(error)
        host, rank, attempt = _whose(path)
        told: dict[str, list[Any]] = {name: [row[name] for row in rows] for name in self.columns}
        if problem is not None:
            told = {name: [None] for name in self.columns}
        length = len(rows) if problem is None else 1
        whose: dict[str, list[Any]] = {"trace": [path] * length, "host": [host] * length, "rank": [rank] * length}
        return _typed({**whose, "attempt": [attempt] * length, **told, "problem": [problem] * length})

    def _of(self, path: str) -> list[dict[str, Any]]:
        directory, _kept = here(path)
        if not self.account:
            return self._read(directory)
        with tempfile.TemporaryDirectory(prefix="smaragdine-spark-") as scratch:
            metadata = _finished(directory)
            if not copy_sealed(directory, metadata, Path(scratch)):
                with closing(Tables(directory, metadata.checksums, threads=1)) as tables:
                    copy(directory, tables, Path(scratch), fleeting=True)
            command: list[str | Path] = [find_binary(), "account", scratch, "--policy", self.policy]
            done = subprocess.run(command, check=False, capture_output=True, text=True)
            if done.returncode:
                raise SmaragdineError(f"{path} could not be accounted: {done.stderr.strip() or done.returncode}")
            return self._read(Path(scratch))

    def _read(self, directory: Path) -> list[dict[str, Any]]:
        metadata = _finished(directory)
        with closing(Tables(directory, metadata.checksums, attached=_READ[self.rows], threads=1)) as tables:
            accounting = Accounting(metadata, tables)
            return [{name: getattr(row, name) for name in self.columns} for row in self.rows(accounting, self.policy)]


def _finished(directory: Path) -> Metadata:
    metadata = Metadata.read(directory)
    if metadata.state == "recording":
        raise TraceError(f"the trace {directory} is still being recorded", "wait, or recover what it left")
    return metadata


def _footprint(accounting: Accounting, policy: str) -> Iterable[FootprintRow]:
    return footprint_of(accounting, policy).rows


def _ledger(accounting: Accounting, policy: str) -> Iterable[LedgerRow]:
    return accounting.ledger(policy).rows


# What is opened of a trace to read them.
_READ: dict[_Rows, tuple[str, ...]] = {
    _footprint: ("readings", "steps", "ops", "footprint", "ledger"),
    _ledger: ("readings", "ledger"),
}


def _whose(path: str) -> tuple[str | None, int | None, int | None]:
    """Host, rank and attempt, where the path tells them."""
    return placed(Path(path)) if f"/{HOST}" in path else (None, None, None)


def _typed(columns: dict[str, list[Any]]) -> pa.RecordBatch:
    import pyarrow as pa

    kinds = {name: pa.float64() for name in ("energy_j", "energy_low_j", "energy_high_j", "time_s")}
    kinds |= {name: pa.int64() for name in ("rank", "attempt", "op", "count")}
    arrays = [pa.array(values, kinds.get(name, pa.string())) for name, values in columns.items()]
    return pa.record_batch(arrays, names=list(columns))
