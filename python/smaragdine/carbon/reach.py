"""What it took to reach a value of a metric: joules and grams, of each run and of the study that searched for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from smaragdine.accounts.sample import Sample
from smaragdine.carbon.cost import Cost
from smaragdine.carbon.logged import Logged, Metric, require
from smaragdine.errors import UsageError

NEVER = "never reached"


@dataclass(frozen=True, slots=True)
class Reached:
    """One run. `at` is None where it never reached the value; then so is all else."""

    cost: Cost
    at: Logged | None
    energy_kwh: float | None = None
    """With PUE, from the recording's start to the end of the step that logged it; None where it is not known."""
    kg: float | None = None
    hours: float | None = None

    @property
    def words(self) -> str:
        if self.at is None:
            return NEVER
        return f"reached in step {self.at.step}, epoch {self.at.epoch}"


@dataclass(frozen=True, slots=True)
class Reach:
    """Of a study, failed runs included."""

    metric: Metric
    threshold: float
    runs: tuple[Reached, ...]
    first_kwh: float | None
    """What all runs together had drawn, by their hosts' clocks, when the first of them reached it. None where none did,
    or the energy of a run is not known."""
    first_kg: float | None
    each_kwh: float | None
    """The study's whole energy for each run that reached it: what those that never did, and failed ones, add."""
    each_kg: float | None

    @classmethod
    def of(cls, costs: Sequence[Cost], metric: Metric, threshold: float) -> Reach:
        """Raises UsageError where no run logged the metric."""
        require(metric.name, [cost.run for cost in costs])
        runs = tuple(_reached(cost, metric, threshold) for cost in costs)
        times = [one.at.end_ns for one in runs if one.at]
        first_kwh, first_kg = _together(costs, min(times)) if times else (None, None)
        whole_kwh, whole_kg = (_sum([cost.energy_kwh for cost in costs]), _sum([cost.kg for cost in costs]))
        return cls(
            metric, threshold, runs, first_kwh, first_kg,
            None if whole_kwh is None or not times else whole_kwh / len(times),
            None if whole_kg is None or not times else whole_kg / len(times),
        )  # fmt: skip

    @property
    def words(self) -> str:
        """`accuracy ≥ 0.9`."""
        return f"{self.metric.name} {'≤' if self.metric.lower else '≥'} {self.threshold:g}"

    @property
    def count(self) -> int:
        return sum(one.at is not None for one in self.runs)

    @property
    def energy_kwh(self) -> Sample:
        """Of the runs that reached it."""
        return Sample.of(one.energy_kwh for one in self.runs)

    @property
    def kg(self) -> Sample:
        return Sample.of(one.kg for one in self.runs)


def parse(text: str) -> tuple[str, float]:
    """`accuracy=0.9`. Raises UsageError."""
    name, equals, value = text.partition("=")
    try:
        threshold = float(value)
    except ValueError:
        threshold = float("nan")
    if not equals or not name.strip() or not abs(threshold) < float("inf"):
        raise UsageError(f"{text!r} is no value to reach", "write METRIC=VALUE, as in accuracy=0.9")
    return name.strip(), threshold


def _reached(cost: Cost, metric: Metric, threshold: float) -> Reached:
    at = metric.first(cost.run, threshold)
    if at is None:
        return Reached(cost, None)
    share = cost.share_until(at.end_ns) if cost.statement else None
    hours = (at.end_ns - cost.run.metadata.start_ns) / 3.6e12
    if share is None:
        return Reached(cost, at, hours=hours)
    return Reached(cost, at, _times(cost.energy_kwh, share), _times(cost.kg, share), hours)


def _together(costs: Sequence[Cost], at_ns: int) -> tuple[float | None, float | None]:
    shares = [cost.share_until(at_ns) if cost.statement else None for cost in costs]
    energies = [_times(cost.energy_kwh, share) for cost, share in zip(costs, shares, strict=True)]
    grams = [_times(cost.kg, share) for cost, share in zip(costs, shares, strict=True)]
    return _sum(energies), _sum(grams)


def _times(value: float | None, share: float | None) -> float | None:
    return None if value is None or share is None else value * share


def _sum(values: Sequence[float | None]) -> float | None:
    """None where one of them is not known: less than all would read as all."""
    known = [value for value in values if value is not None]
    return sum(known) if known and len(known) == len(values) else None
