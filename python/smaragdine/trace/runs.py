"""Several traces of the same thing, with mean and standard deviation."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from smaragdine.accounts.edd import EDD
from smaragdine.accounts.footprint import Footprint, Group, sum_known
from smaragdine.accounts.summary import Summary
from smaragdine.errors import SmaragdineError
from smaragdine.trace.trace import Trace


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

    def _repr_html_(self) -> str:
        from smaragdine.text.notebook import of_runs

        return of_runs(self)

    @property
    def cut(self) -> str | None:
        """That a recording was cut, and how much of it is missing: of the first one that was."""
        return next((trace.metadata.cut for trace in self.traces if trace.metadata.cut), None)

    @property
    def notice(self) -> str | None:
        """What every view of them opens with: that of the first run that owes one."""
        return next((trace.notice for trace in self.traces if trace.notice), None)

    def footprint(self, policy: str = "equal", *, scope: str = "traced", per: str = "run") -> RunsFootprint:
        return RunsFootprint(tuple(trace.footprint(policy, scope=scope, per=per) for trace in self.traces))

    def edd(
        self, phase: str | None = None, *, policy: str = "equal", basis: str | None = None, folded: bool = False
    ) -> EDD:
        """The EDD of mean energies, with deviations; arrows are those of the first run.

        `folded`: self-similar layers as one, as in a STEF.
        """
        footprint, ops = self.footprint(policy), self.traces[0].ops()
        if folded:
            summary = footprint.summary()
            footprint, ops = footprint.folded(summary), [summary.rename(op) for op in ops]
        return EDD.mean(
            footprint.footprints, phase, ops=ops, edges=self.traces[0].edges(), basis=basis, name=self.traces[0].name
        )


@dataclass(frozen=True, slots=True)
class RunsFootprint:
    """Footprints of several runs; what it groups are means over all runs, a name absent from a run being 0 J there."""

    footprints: tuple[Footprint, ...]

    @property
    def modelled(self) -> bool:
        return any(footprint.modelled for footprint in self.footprints)

    @property
    def notice(self) -> str | None:
        """What every view of them opens with: that of the first run that owes one."""
        return next((footprint.notice for footprint in self.footprints if footprint.notice), None)

    def summary(self, patterns: Mapping[str, str] | None = None) -> Summary:
        """How the names of all runs fold, so that each run folds alike."""
        names = ((row.qtn, row.layer) for footprint in self.footprints for row in footprint.rows)
        return Summary.of(names, patterns)

    def folded(self, summary: Summary) -> RunsFootprint:
        return RunsFootprint(tuple(footprint.folded(summary) for footprint in self.footprints))

    def summarize(self, patterns: Mapping[str, str] | None = None) -> RunsFootprint:
        """The STEF of every run; see `Footprint.summarize`."""
        return self if self.footprints[0].summarized else self.folded(self.summary(patterns))

    def unfold(self, name: str) -> RunsFootprint:
        """The operations that one name of a summary stands for; see `Footprint.unfold`."""
        return RunsFootprint(tuple(footprint.unfold(name) for footprint in self.footprints))

    def by(self, key: str) -> list[Group]:
        """Mean, standard deviation (of a sample; None for one run) and number of runs by name and basis."""
        if key == "stef":
            return self.summarize().by("op")
        runs = [{(group.name, group.basis): group for group in footprint.by(key)} for footprint in self.footprints]
        names = dict.fromkeys(name for run in runs for name in run)
        groups = [_mean([run[name] for run in runs if name in run], len(runs)) for name in names]
        totals = {basis: sum(group.energy_j for group in groups if group.basis == basis) for _, basis in names}
        groups = [
            replace(group, share=group.energy_j / totals[group.basis] if totals[group.basis] > 0 else 0.0)
            for group in groups
        ]
        return sorted(groups, key=lambda group: (group.basis, -group.energy_j, group.name))

    def _repr_html_(self) -> str:
        from smaragdine.text.notebook import of_footprint

        return of_footprint(self)

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
