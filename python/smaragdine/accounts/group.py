"""Rows of a footprint under one name: an operation over its devices, a layer, a type, a pass."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from smaragdine.accounts.display import Displayed
from smaragdine.accounts.energy import MEASURED, Energy
from smaragdine.accounts.row import FootprintRow, sum_known
from smaragdine.errors import UsageError

_NAMES: dict[str, Callable[[FootprintRow], str]] = {
    "op": lambda row: row.qtn,
    "layer": lambda row: row.layer,
    "type": lambda row: row.type,
    "phase": lambda row: row.phase,
}
KEYS = (*_NAMES, "stef")
"""What a footprint can be grouped by; `stef`: by operation, self-similar layers folded."""


@dataclass(frozen=True, slots=True)
class Group:
    """Rows under one name and basis. Of several runs, means; `*_sd_*` are their standard deviations."""

    name: str
    basis: str
    energy_j: float
    energy_low_j: float | None
    energy_high_j: float | None
    time_s: float
    power_w: float | None
    count: float
    share: float
    """Of all energy of this basis."""
    phase: str | None
    """None where operations of several phases meet."""
    energy_sd_j: float | None = None
    power_sd_w: float | None = None
    runs: int = 1
    """Runs in which the name occurs."""


class Groups(list[Group], Displayed):
    """Groups, the one with the most energy first: a list that shows itself as a table."""

    def __init__(
        self,
        groups: Iterable[Group],
        key: str,
        *,
        runs: int = 1,
        coverage: Sequence[str] = (),
        notice: str | None = None,
    ) -> None:
        super().__init__(groups)
        self.key = key
        """What they are grouped by."""
        self.runs = runs
        """Runs that the numbers are means of."""
        self.coverage = tuple(coverage)
        """How much of each run the numbers cover, in words."""
        self.notice = notice
        """What every view of them opens with."""

    __repr__ = Displayed.__repr__

    @property
    def what(self) -> str:
        """One of them, in a word."""
        return "operation" if self.key == "op" else self.key

    def first(self, n: int) -> Groups:
        return Groups(self[:n], self.key, runs=self.runs, coverage=self.coverage, notice=self.notice)


def grouped(rows: Iterable[FootprintRow], key: str, total: Energy) -> list[Group]:
    """Rows of one run by name and basis, with their share of `total`. Raises UsageError for another key."""
    if key not in _NAMES:
        raise UsageError(f"a footprint cannot be grouped by {key!r}", f"choose one of {', '.join(KEYS)}")
    name = _NAMES[key]
    same: dict[tuple[str, str], list[FootprintRow]] = {}
    for row in rows:
        same.setdefault((name(row), row.basis), []).append(row)
    return _ordered([_sum(name, basis, rows, total[basis]) for (name, basis), rows in same.items()])


def mean_groups(runs: Sequence[Iterable[Group]]) -> list[Group]:
    """Means over all runs by name and basis, a name that is absent from a run being 0 J there, with deviations."""
    by_name = [{(group.name, group.basis): group for group in run} for run in runs]
    names = dict.fromkeys(name for run in by_name for name in run)
    groups = [_mean([run[name] for run in by_name if name in run], len(by_name)) for name in names]
    totals = {basis: sum(group.energy_j for group in groups if group.basis == basis) for _, basis in names}
    return _ordered(
        [
            replace(group, share=group.energy_j / totals[group.basis] if totals[group.basis] > 0 else 0.0)
            for group in groups
        ]
    )


def _ordered(groups: list[Group]) -> list[Group]:
    # Measured before modelled: their joules must not be compared with each other.
    return sorted(groups, key=lambda group: (group.basis != MEASURED, -group.energy_j, group.name))


def _sum(name: str, basis: str, rows: list[FootprintRow], total_j: float) -> Group:
    if len(rows) == 1:  # most operations run on one device
        return _alone(name, rows[0], total_j)
    energy_j = sum(row.energy_j for row in rows)
    time_s = sum(row.time_s for row in rows)
    phases = {row.phase for row in rows}
    return Group(
        name=name,
        basis=basis,
        energy_j=energy_j,
        energy_low_j=sum_known(row.energy_low_j for row in rows),
        energy_high_j=sum_known(row.energy_high_j for row in rows),
        time_s=time_s,
        power_w=energy_j / time_s if time_s > 0 else None,
        count=sum(row.count for row in rows),
        share=energy_j / total_j if total_j > 0 else 0.0,
        phase=phases.pop() if len(phases) == 1 else None,
    )


def _alone(name: str, row: FootprintRow, total_j: float) -> Group:
    return Group(
        name,
        row.basis,
        row.energy_j,
        row.energy_low_j,
        row.energy_high_j,
        row.time_s,
        row.power_w,
        row.count,
        row.energy_j / total_j if total_j > 0 else 0.0,
        row.phase,
    )


def _mean(groups: Sequence[Group], runs: int) -> Group:
    from statistics import fmean, stdev

    energies = [group.energy_j for group in groups] + [0.0] * (runs - len(groups))
    powers = [group.power_w for group in groups if group.power_w is not None]
    low, high = (sum_known(bounds) for bounds in zip(*((g.energy_low_j, g.energy_high_j) for g in groups), strict=True))
    return replace(
        groups[0],
        energy_j=fmean(energies),
        energy_low_j=None if low is None else low / runs,
        energy_high_j=None if high is None else high / runs,
        time_s=sum(group.time_s for group in groups) / runs,
        power_w=fmean(powers) if powers else None,
        count=sum(group.count for group in groups) / runs,
        energy_sd_j=stdev(energies) if runs > 1 else None,
        power_sd_w=stdev(powers) if len(powers) > 1 else None,
        runs=len(groups),
    )
