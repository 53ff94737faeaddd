"""Several traces of the same thing, with mean and standard deviation."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from smaragdine.edd import EDD
from smaragdine.errors import SmaragdineError
from smaragdine.footprint import Footprint, Group, sum_known
from smaragdine.trace import Trace


@dataclass(frozen=True, slots=True)
class Runs:
    """Traces of the same thing, in the order given."""

    traces: tuple[Trace, ...]

    @classmethod
    def open(cls, *paths: str | Path) -> Runs:
        """Raises SmaragdineError where no path is given, or one is not a trace."""
        if not paths:
            raise SmaragdineError("no trace is named", "name the directories that the recordings wrote", exit_code=2)
        return cls(tuple(Trace.open(path) for path in paths))

    def __iter__(self) -> Iterator[Trace]:
        return iter(self.traces)

    def __len__(self) -> int:
        return len(self.traces)

    def footprint(self, policy: str = "equal", *, scope: str = "traced", per: str = "run") -> RunsFootprint:
        return RunsFootprint(tuple(trace.footprint(policy, scope=scope, per=per) for trace in self.traces))

    def edd(self, phase: str | None = None, *, policy: str = "equal", basis: str | None = None) -> EDD:
        """The EDD of mean energies; arrows are those of the first run."""
        first, *others = [trace.footprint(policy) for trace in self.traces]
        n = len(self.traces)
        rows = tuple(row.scaled(1 / n, 1 / n) for footprint in (first, *others) for row in footprint.rows)
        ops, edges = self.traces[0].ops(), self.traces[0].edges()
        return EDD.of(replace(first, rows=rows), phase, ops=ops, edges=edges, basis=basis, name=self.traces[0].name)


@dataclass(frozen=True, slots=True)
class RunsFootprint:
    """Footprints of several runs; what it groups are means over all runs, a name absent from a run being 0 J there."""

    footprints: tuple[Footprint, ...]

    @property
    def modelled(self) -> bool:
        return any(footprint.modelled for footprint in self.footprints)

    def summarize(self) -> RunsFootprint:
        return replace(self, footprints=tuple(footprint.summarize() for footprint in self.footprints))

    def by(self, key: str) -> list[Group]:
        """Mean, standard deviation (of a sample; None for one run) and number of runs by name and basis."""
        runs = [{(group.name, group.basis): group for group in footprint.by(key)} for footprint in self.footprints]
        names = dict.fromkeys(name for run in runs for name in run)
        groups = [_mean([run[name] for run in runs if name in run], len(runs)) for name in names]
        totals = {basis: sum(group.energy_j for group in groups if group.basis == basis) for _, basis in names}
        groups = [
            replace(group, share=group.energy_j / totals[group.basis] if totals[group.basis] > 0 else 0.0)
            for group in groups
        ]
        return sorted(groups, key=lambda group: (group.basis, -group.energy_j, group.name))

    def top(self, n: int = 10, key: str = "op") -> list[Group]:
        return self.by(key)[:n]


def _mean(groups: Sequence[Group], runs: int) -> Group:
    energies = [group.energy_j for group in groups] + [0.0] * (runs - len(groups))
    powers = [group.power_w for group in groups if group.power_w is not None]
    low, high = (sum_known(bounds) for bounds in zip(*((g.energy_low_j, g.energy_high_j) for g in groups), strict=True))
    return replace(
        groups[0],
        energy_j=statistics.fmean(energies),
        energy_low_j=None if low is None else low / runs,
        energy_high_j=None if high is None else high / runs,
        time_s=sum(group.time_s for group in groups) / runs,
        power_w=statistics.fmean(powers) if powers else None,
        count=sum(group.count for group in groups) / runs,
        energy_sd_j=statistics.stdev(energies) if runs > 1 else None,
        power_sd_w=statistics.stdev(powers) if len(powers) > 1 else None,
        runs=len(groups),
    )
