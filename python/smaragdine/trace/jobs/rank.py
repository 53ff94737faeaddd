"""The processes of a job side by side, and its machines: who took how much, and who waited for whom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from smaragdine.accounts.energy import Energy
from smaragdine.accounts.ledger import OWN, Ledger
from smaragdine.trace.jobs.part import Part

_WAITING = "select coalesce(sum(end_ns - start_ns), 0) from events where kind = 'wait'"


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

    @property
    def step_s(self) -> float | None:
        """Mean length of a step; None where none was marked."""
        return self.steps_s / self.steps if self.steps else None


@dataclass(frozen=True, slots=True)
class JobHost:
    """What one machine of a job took, its registers once."""

    name: str
    read: Energy
    """All of its counted registers, whatever ran."""
    application: Energy
    """What the ranks on it took, operations included."""
    other: Energy
    """Other processes."""
    idle: Energy


def ranks(parts: Sequence[Part], policy: str = "equal") -> tuple[Rank, ...]:
    """Each process, in the order of the parts."""
    return tuple(_rank(part, policy) for part in parts)


def hosts(ledger: Ledger) -> tuple[JobHost, ...]:
    """The machines of a job's ledger, in its order; none of a ledger of one trace."""
    names = dict.fromkeys(row.domain.rpartition("/")[0] for row in ledger)
    return tuple(
        JobHost(name, *(_sum(ledger, name, entries) for entries in (None, OWN, ("other",), ("idle",))))
        for name in names
        if name
    )


def _sum(ledger: Ledger, host: str, entries: tuple[str, ...] | None) -> Energy:
    return Energy.total(
        (row.basis, row.energy_j)
        for row in ledger
        if row.domain.rpartition("/")[0] == host and (entries is None or row.entry in entries)
    )


def _rank(part: Part, policy: str) -> Rank:
    told = part.metadata.coverage
    with part.accounting("ops", "events") as accounting:
        ledger = accounting.ledger(policy)
        waiting_ns = accounting.tables.rows(_WAITING)
    return Rank(
        part.host,
        part.rank,
        part.attempt,
        part.metadata.duration_s,
        told.steps or 0,
        told.steps_s or 0.0,
        Energy.total((row.basis, row.energy_j) for row in ledger if row.entry in OWN),
        float(waiting_ns[0][0]) / 1e9,
    )
