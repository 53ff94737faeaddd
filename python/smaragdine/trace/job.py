"""Traces of processes that worked together, told apart by host and rank; each host's registers are in it once."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from smaragdine.errors import TraceError
from smaragdine.files.ranks import is_job
from smaragdine.files.url import is_url
from smaragdine.trace.jobs.rank import JobHost, Rank, hosts, ranks
from smaragdine.trace.tables import beside_each_other
from smaragdine.trace.trace import Trace

if TYPE_CHECKING:
    import duckdb
    from typing_extensions import Self


class Job(Trace):
    """A job as one trace: every footprint, ledger and diagram of it is of all ranks together.

    A step of it is one of each rank. Open one with `Job.open`; errors are those of `Trace`.
    """

    @classmethod
    def open(cls, path: str | Path, *, external_access: bool = False, as_it_is: bool = False) -> Self:
        """Opens the folder in which ranks wrote `host=…/rank=…`, merged or not; also at a URL, as `Trace.open`."""
        no_job = TraceError(f"{path} is no job: it holds no host=…/rank=…", "open a single trace with Trace.open")
        if not is_url(path) and not is_job(Path(path)):
            raise no_job
        job = super().open(path, external_access=external_access, as_it_is=as_it_is)
        if not job.parts:
            raise no_job
        return job

    def __repr__(self) -> str:
        return f"Job({str(self.path)!r})"

    def ranks(self, policy: str = "equal") -> tuple[Rank, ...]:
        """Each process beside the others, by rank and attempt."""
        return ranks(self.parts, policy)

    def hosts(self, policy: str = "equal") -> tuple[JobHost, ...]:
        """Each machine beside the others: what its registers counted, once, and what of that its ranks took."""
        return hosts(self.ledger(policy))

    def sql(self, query: str) -> duckdb.DuckDBPyRelation:
        """A DuckDB query over the tables of all parts, each row with its `host`, `rank` and `attempt`.

        Numbers of operations are each part's own: join them on all four.
        """
        return self._beside_each_other.sql(query)

    @cached_property
    def _beside_each_other(self) -> duckdb.DuckDBPyConnection:
        return beside_each_other(((part.host, part.rank, part.attempt), part.tables()) for part in self.parts)
