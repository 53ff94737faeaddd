"""`Leaderboard`: a logged metric of many runs against the energy, carbon and time that it took."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import Any

from smaragdine.accounts.alike import Alike
from smaragdine.accounts.chance import Chance, compare_ranked
from smaragdine.accounts.pareto import front
from smaragdine.accounts.sample import Sample
from smaragdine.carbon.cost import NOT_MEASURED, Cost, titles
from smaragdine.carbon.logged import BEST, Metric, require
from smaragdine.errors import NotMeasuredError

KEYS = ("metric", "energy", "carbon", "time", "per-kwh")


@dataclass(frozen=True, slots=True)
class Standing:
    """A run, or a group of alike ones: samples over those of them that finished and have both metric and energy."""

    name: str
    basis: str | None
    runs: int
    """All that were given, left out ones included."""
    metric: Sample
    energy_kwh: Sample
    """With PUE."""
    modelled_kwh: float | None
    """Of the mean energy."""
    kg: Sample
    """Empty where no place is known of every run."""
    hours: Sample
    per_kwh: Sample
    """The metric by energy; empty where lower is better: a small loss by much energy would rank high."""
    left_out: tuple[str, ...] = ()
    """Why runs are not in the samples."""
    rank: int | None = None
    pareto: bool | None = None
    """No other of the same basis is as good at less energy, or better at as much; None where it has no rank."""
    apart: Chance | None = None
    """How it differs from the one ranked above in what ranks them, both of one basis; None of single runs."""

    @property
    def ranked(self) -> bool:
        return self.metric.n > 0

    def to_dict(self) -> dict[str, Any]:
        """For programs; None where something is not known."""
        return {
            "rank": self.rank,
            "name": self.name,
            "basis": self.basis,
            "runs": self.runs,
            "n": self.metric.n,
            "metric": self.metric.mean,
            "metric_se": self.metric.se,
            "energy_kwh": self.energy_kwh.mean,
            "energy_se_kwh": self.energy_kwh.se,
            "modelled_kwh": self.modelled_kwh,
            "emissions_kg": self.kg.mean,
            "emissions_se_kg": self.kg.se,
            "duration_h": self.hours.mean,
            "duration_se_h": self.hours.se,
            "metric_per_kwh": self.per_kwh.mean,
            "metric_per_kwh_se": self.per_kwh.se,
            "pareto": self.pareto,
            "p_from_the_one_above": self.apart.holm_welch if self.apart else None,
            "left_out": "; ".join(self.left_out) or None,
        }


@dataclass(frozen=True, slots=True)
class Leaderboard:
    """Standings, the best first; those without a rank at the end."""

    metric: Metric
    at: str
    by: str
    grouped: bool
    standings: tuple[Standing, ...]
    sources: tuple[str, ...]
    """Of carbon intensities."""
    pues: tuple[float, ...]
    notices: tuple[str, ...]
    """What modelled runs owe to whoever sees the table."""

    @classmethod
    def of(
        cls,
        costs: Sequence[Cost],
        metric: str | Metric,
        *,
        at: str = BEST,
        by: str = "metric",
        alike: Alike | None = None,
    ) -> Leaderboard:
        """`at`: the best value of each run or its last one; `by` one of KEYS. `alike`: groups, each with its mean.

        Raises UsageError where no run logged the metric, NotMeasuredError where no energy of any of them is known.
        """
        metric = Metric.of(metric) if isinstance(metric, str) else metric
        require(metric.name, [cost.run for cost in costs])
        if not any(cost.statement for cost in costs):
            raise NotMeasuredError(
                "no energy is known of any of the runs: there is nothing to rank them by",
                "`smaragdine doctor` tells what can be measured here",
            )
        standings = [_standing(name, of, metric, at) for name, of in _together(costs, alike)]
        ranked = sorted((one for one in standings if one.ranked), key=lambda one: _key(one, by, metric))
        ranked = [replace(one, rank=place) for place, one in enumerate(ranked, 1)]
        if alike is not None:
            ranked = _with_chance(ranked, by)
        rest = [one for one in standings if not one.ranked]
        stated = [cost.statement for cost in costs if cost.statement]
        return cls(
            metric, at, by, alike is not None, tuple(_on_front(ranked, metric) + rest),
            tuple(dict.fromkeys(cost.source for cost in costs if cost.source)),
            tuple(sorted({statement.pue.factor for statement in stated})),
            tuple(dict.fromkeys(statement.notice for statement in stated if statement.notice)),
        )  # fmt: skip

    def __iter__(self) -> Iterator[Standing]:
        return iter(self.standings)

    @property
    def notes(self) -> tuple[str, ...]:
        """What the numbers are, in sentences."""
        return tuple(self._notes())

    def _notes(self) -> Iterator[str]:
        yield f"{self.metric.words}; the {self.at} value of each run, and the energy of the whole run"
        factors = ", ".join(f"{factor:g}" for factor in self.pues)
        yield f"energy with PUE {factors}" + ("; rows of different PUEs do not compare" if len(self.pues) > 1 else "")
        if self.sources:
            yield f"CO2e: {'; '.join(self.sources)}"
        else:
            yield "no place is known, so energy stays energy: --region tells one"
        if self.metric.lower:
            yield f"no {self.metric.name} per kWh: where lower is better, it would reward energy"
        if len({one.basis for one in self.standings if one.ranked}) > 1:
            yield "measured and modelled energies do not compare: each has a front of its own"
        if self.grouped:
            yield "means ± standard errors over runs that finished; one run has no standard error"
            if any(one.apart for one in self.standings):
                yield "from the one above: Welch's t test of what ranks them, corrected by Holm"
            elif find_spec("scipy") is None:
                yield "whether neighbours differ beyond chance needs SciPy: pip install 'smaragdine[appendix]'"
        else:
            yield "single runs: what chance does to them, repeated runs under --group tell"


def _together(costs: Sequence[Cost], alike: Alike | None) -> list[tuple[str, list[Cost]]]:
    """By group and basis, in order of appearance; every run by itself where no groups are told."""
    if alike is None:
        return [(title, [cost]) for title, cost in zip(titles(costs), costs, strict=True)]
    groups: dict[tuple[str, str | None], list[Cost]] = {}
    for cost in costs:
        name = alike.name(cost.run.metadata.labels, cost.name, str(cost.run.path))
        groups.setdefault((name, cost.basis), []).append(cost)
    return [(name, of) for (name, _), of in groups.items()]


def _standing(name: str, costs: list[Cost], metric: Metric, at: str) -> Standing:
    used: list[tuple[float, Cost]] = []
    left_out = []
    for cost in costs:
        value = metric.value(cost.run, at)
        because = cost.failed or (NOT_MEASURED if cost.statement is None else None)
        because = because or (f"no {metric.name} that is a number" if value is None else None)
        if because is None and value is not None:
            used.append((value.value, cost))
        else:
            left_out.append(because if len(costs) == 1 else f"{cost.name}: {because}")
    kept = [cost for _, cost in used]
    placed = all(cost.kg is not None for cost in kept)
    per_kwh = [] if metric.lower else [value / cost.energy_kwh for value, cost in used if cost.energy_kwh]
    return Standing(
        name=name,
        basis=costs[0].basis,
        runs=len(costs),
        metric=Sample.of(value for value, _ in used),
        energy_kwh=Sample.of(cost.energy_kwh for cost in kept or costs),
        modelled_kwh=Sample.of(cost.modelled_kwh for cost in kept or costs).mean,
        kg=Sample.of(cost.kg for cost in kept or costs) if placed else Sample(()),
        hours=Sample.of(cost.hours for cost in kept or costs),
        per_kwh=Sample.of(per_kwh) if len(per_kwh) == len(used) else Sample(()),
        left_out=tuple(str(one) for one in left_out),
    )


def _key(one: Standing, by: str, metric: Metric) -> tuple[float, ...]:
    """The best first; equal ones by the metric, then by energy. What is not known comes last."""
    good = one.metric.mean or 0.0
    good = good if metric.lower else -good
    energy = _or_last(one.energy_kwh.mean)
    chosen = {
        "metric": good,
        "energy": energy,
        "carbon": _or_last(one.kg.mean),
        "time": _or_last(one.hours.mean),
        "per-kwh": -one.per_kwh.mean if one.per_kwh.mean is not None else float("inf"),
    }[by]
    return chosen, good, energy


def _with_chance(standings: list[Standing], by: str) -> list[Standing]:
    """How each differs from the one above; as they are where SciPy is not installed."""
    if find_spec("scipy") is None or len(standings) < 2:
        return standings
    samples = [_sample(one, by) for one in standings]
    if not all(sample.n for sample in samples):
        return standings
    names = [one.name for one in standings]
    chances = compare_ranked(list(zip(names, samples, strict=True)))
    return standings[:1] + [
        replace(one, apart=chance if one.basis == above.basis or by == "metric" else None)
        for above, one, chance in zip(standings, standings[1:], chances, strict=False)
    ]


def _sample(one: Standing, by: str) -> Sample:
    named = {"metric": one.metric, "energy": one.energy_kwh, "carbon": one.kg, "time": one.hours}
    return named.get(by, one.per_kwh)


def _or_last(value: float | None) -> float:
    return float("inf") if value is None else value


def _on_front(standings: list[Standing], metric: Metric) -> list[Standing]:
    """Among those of one basis: measured and modelled energies do not compare."""
    marked: dict[int, bool] = {}
    for basis in dict.fromkeys(one.basis for one in standings):
        places = [place for place, one in enumerate(standings) if one.basis == basis]
        sign = -1.0 if metric.lower else 1.0
        points = [(sign * (standings[p].metric.mean or 0.0), standings[p].energy_kwh.mean or 0.0) for p in places]
        marked |= dict(zip(places, front(points), strict=True))
    return [replace(one, pareto=marked[place]) for place, one in enumerate(standings)]
