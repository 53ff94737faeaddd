"""Groups of an appendix: means and standard errors over the runs that finished."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from smaragdine.accounts.sample import ALONE, Sample
from smaragdine.accounts.unit import Unit
from smaragdine.appendix.entry import Entry
from smaragdine.appendix.sheet import Sheet
from smaragdine.carbon.logged import LAST, Metric
from smaragdine.text.table import Table

COMPONENTS = ("cpu", "gpu", "dram", "module")


@dataclass(frozen=True, slots=True)
class Grouped:
    """Runs that are alike and of one basis."""

    name: str
    entries: tuple[Entry, ...]

    @classmethod
    def all_of(cls, entries: Sequence[Entry]) -> list[Grouped]:
        by_name: dict[str, list[Entry]] = {}
        for entry in entries:
            by_name.setdefault(entry.group, []).append(entry)
        return [cls(name, tuple(of)) for name, of in by_name.items()]

    @property
    def kept(self) -> tuple[Entry, ...]:
        """Those that means are of."""
        return tuple(entry for entry in self.entries if entry.left_out is None)

    @property
    def basis(self) -> str | None:
        return self.entries[0].cost.basis

    @property
    def modelled(self) -> bool:
        return self.basis is not None and self.basis != "measured"

    def sample(self, of: Callable[[Entry], float | None]) -> Sample:
        return Sample.of(of(entry) for entry in self.kept)

    @property
    def energy_kwh(self) -> Sample:
        """With PUE."""
        return self.sample(lambda entry: entry.cost.energy_kwh)

    @property
    def hours(self) -> Sample:
        return self.sample(lambda entry: entry.cost.hours)

    @property
    def kg(self) -> Sample:
        """Empty where the place of a run is not known: a mean of the rest would read as that of all."""
        of = self.sample(lambda entry: entry.cost.kg)
        return of if of.n == len(self.kept) else Sample(())

    def component_kwh(self, name: str) -> Sample:
        """Without PUE; of the runs of which it was measured."""
        return self.sample(lambda entry: entry.cost.component_kwh(name))

    def last(self, metric: str) -> Sample:
        """The last value of each run."""
        known = Metric.of(metric)
        values = (known.value(entry.trace, LAST) for entry in self.kept)
        return Sample.of(value.value if value else None for value in values)

    @property
    def pues(self) -> tuple[float, ...]:
        return tuple(sorted({entry.cost.pue for entry in self.kept if entry.cost.pue is not None}))

    @property
    def remark(self) -> str:
        """What a reader must know of it."""
        told = []
        if len(self.kept) == 1:
            told.append(ALONE)
        if left := len(self.entries) - len(self.kept):
            told.append(f"{left} left out")
        if self.modelled:
            told.append("power is modelled" if self.basis == "modelled" else f"energy is {self.basis}")
        return "; ".join(told)


def energy_sheet(groups: Sequence[Grouped]) -> Sheet:
    """Runs, duration, energy by component, with PUE, and CO2e of each group."""
    kwh = Unit.of_kwh(group.energy_kwh.mean for group in groups)
    kg = Unit.of_kg(group.kg.mean for group in groups)
    hours = Unit.of_hours(group.hours.mean for group in groups)
    components = [name for name in COMPONENTS if any(group.component_kwh(name).n for group in groups)]
    placed = any(group.kg.n for group in groups)
    shown, full = [], []
    for group in groups:
        n = len(group.kept)
        parts = {name: group.component_kwh(name) for name in components}
        pue = ", ".join(f"{factor:g}" for factor in group.pues) or "–"
        shown.append(
            (
                group.name,
                f"{n}" if n == len(group.entries) else f"{n} of {len(group.entries)}",
                hours.text(group.hours),
                *(_of(sample, kwh, n) for sample in parts.values()),
                pue,
                _of(group.energy_kwh, kwh, n),
                *((kg.text(group.kg),) if placed else ()),
                group.remark,
            )
        )
        full.append(
            {"group": group.name, "basis": group.basis, "runs": len(group.entries), "n": n, "pue": pue}
            | _pair("duration_h", group.hours)
            | {key: value for name in components for key, value in _pair(f"{name}_kwh", parts[name]).items()}
            | _pair("energy_kwh", group.energy_kwh)
            | _pair("emissions_kg", group.kg)
        )
    headers = (
        "group", "runs", f"duration, {hours.name}", *(f"{_NAMES[name]}, {kwh.name}" for name in components), "PUE",
        f"energy × PUE, {kwh.name}", *((f"CO2e, {kg.name}",) if placed else ()), "",
    )  # fmt: skip
    notes = ["Means ± standard errors over the runs of each group that finished and whose energy is known."]
    if any(len(group.kept) == 1 for group in groups):
        notes.append(f"A group of {ALONE}.")
    if not placed:
        notes.append("No place is known of all runs of a group, so energy stays energy.")
    elif not all(group.kg.n for group in groups if group.kept):
        notes.append("CO2e is told of groups alone of which the place of every run is known.")
    table = Table(headers, tuple(shown), frozenset(range(1, len(headers) - 1)))
    return Sheet.of("data/groups.csv", table, full, notes=notes)


def metric_sheet(groups: Sequence[Grouped], metrics: Sequence[str]) -> Sheet:
    """The last value of each metric, by group."""
    rows = [(group.name, *(group.last(metric).text() for metric in metrics)) for group in groups]
    full = [
        {"group": group.name} | {k: v for metric in metrics for k, v in _pair(metric, group.last(metric)).items()}
        for group in groups
    ]
    table = Table(("group", *metrics), tuple(rows), frozenset(range(1, len(metrics) + 1)))
    notes = ["The last value that each run logged: means ± standard errors over the runs that finished."]
    return Sheet.of("data/metrics.csv", table, full, notes=notes)


_NAMES = {"cpu": "CPU", "gpu": "GPU", "dram": "DRAM", "module": "module"}


def _of(sample: Sample, unit: Unit, n: int) -> str:
    """With how many of the runs it is of, where that is not all."""
    return unit.text(sample) + (f" ({sample.n} of {n})" if 0 < sample.n < n else "")


def _pair(name: str, sample: Sample) -> dict[str, Any]:
    return {f"{name}_n": sample.n, f"{name}_mean": sample.mean, f"{name}_se": sample.se}
