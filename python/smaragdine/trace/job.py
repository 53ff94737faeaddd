"""Traces of processes that worked together, told apart by host and rank; each host's registers are in it once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from smaragdine.accounts.energy import Energy
from smaragdine.errors import TraceError
from smaragdine.trace.jobs.part import Part, is_job, within
from smaragdine.trace.tables import beside_each_other
from smaragdine.trace.trace import Trace

if TYPE_CHECKING:
    import duckdb
    from typing_extensions import Self

_APPLICATION = ("operations", "application", "untraced")


@dataclass(frozen=True, slots=True)
class Rank:
    """What one process of a job did."""

    host: str
    rank: int
    attempt: int
    duration_s: float | None
    steps: int
    steps_s: float
    energy: Energy
    """What its application took, operations included."""
    waiting_s: float
    """Time of its devices' lanes in operations that wait: for data, for other ranks."""


class Job(Trace):
    """A job as one trace: every footprint, ledger and diagram of it is of all ranks together.

    A step of it is one of each rank. Open one with `Job.open`; errors are those of `Trace`.
    """

    parts: tuple[Part, ...] = ()
    """The ranks' traces, by rank and attempt."""

    @classmethod
    def open(cls, path: str | Path, *, external_access: bool = False, as_it_is: bool = False) -> Self:
        """Opens the folder in which ranks wrote `host=…/rank=…`, merged or not."""
        folder = Path(path)
        if not is_job(folder):
            raise TraceError(f"{folder} is no job: it holds no host=…/rank=…", "open a single trace with Trace.open")
        job = super().open(folder, external_access=external_access, as_it_is=as_it_is)
        job.parts = within(folder).parts
        return job

    def __repr__(self) -> str:
        return f"Job({str(self.path)!r})"

    def ranks(self, policy: str = "equal") -> tuple[Rank, ...]:
        """Each process beside the others, by rank and attempt."""
        return tuple(_rank(part, policy) for part in self.parts)

    def sql(self, query: str) -> duckdb.DuckDBPyRelation:
        """A DuckDB query over the tables of all parts, each row with its `host`, `rank` and `attempt`.

        Numbers of operations are each part's own: join them on all four.
        """
        return self._beside_each_other.sql(query)

    @cached_property
    def _beside_each_other(self) -> duckdb.DuckDBPyConnection:
        return beside_each_other({(part.host, part.rank, part.attempt): part.tables for part in self.parts})


def _rank(part: Part, policy: str) -> Rank:
    ledger = part.accounting.ledger(policy)
    told = part.metadata.coverage
    waiting_ns = part.tables.rows("select coalesce(sum(end_ns - start_ns), 0) from events where kind = 'wait'")
    return Rank(
        part.host,
        part.rank,
        part.attempt,
        part.metadata.duration_s,
        told.steps or 0,
        told.steps_s or 0.0,
        Energy.total((row.basis, row.energy_j) for row in ledger if row.entry in _APPLICATION),
        float(waiting_ns[0][0]) / 1e9,
    )
