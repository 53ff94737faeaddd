"""`Study`: runs that belong together, as those of a hyperparameter search, with what the search cost as a whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from smaragdine.accounts.alike import Alike
from smaragdine.accounts.energy import Energy
from smaragdine.accounts.sample import Sample
from smaragdine.carbon.cost import Cost
from smaragdine.carbon.logged import Metric
from smaragdine.carbon.reach import Reach
from smaragdine.errors import NotMeasuredError, UsageError

if TYPE_CHECKING:
    from smaragdine.carbon.place import Place
    from smaragdine.carbon.run import Run


@dataclass(frozen=True, slots=True)
class Product:
    """Cost ∝ E × D × H (Schwartz et al., Green AI; equation 1 of the review): what one example took, how many a run
    processed, how many runs there were.

    E and D are means over the runs that finished, so the product is what the search would have taken had all been like
    them: the rest to the total is what failed or shorter runs saved, and uneven ones added.
    """

    unit: str
    """`sample`, `step`, or `run` where neither was counted in every run."""
    example_kwh: float
    """E, with PUE."""
    examples: float
    """D, every epoch's: what a run processed."""
    epochs: float | None
    """In which D was processed, in the mean."""
    runs: int
    """H, failed ones included."""
    of: int
    """Runs that E and D are means of."""

    @property
    def kwh(self) -> float:
        return self.example_kwh * self.examples * self.runs


@dataclass(frozen=True, slots=True)
class Study:
    """Sums over all runs, failed ones included. None where a run's part is not known."""

    name: str
    costs: tuple[Cost, ...]

    @classmethod
    def of(
        cls,
        runs: Sequence[Run],
        place: Place | None = None,
        *,
        name: str = "study",
        failed: Mapping[str, str] | None = None,
    ) -> Study:
        """Of runs that drew their energy at one place; `failed` as `Cost.of` has it."""
        return cls.of_costs([Cost.of(run, place, failed=failed) for run in runs], name)

    @classmethod
    def of_costs(cls, costs: Sequence[Cost], name: str = "study") -> Study:
        """Raises NotMeasuredError where no energy of any run is known."""
        if not costs:
            raise UsageError("a study needs a run")
        if not any(cost.statement for cost in costs):
            raise NotMeasuredError(
                f"no energy is known of any run of {name}", "`smaragdine doctor` tells what can be measured here"
            )
        return cls(name, tuple(costs))

    def __iter__(self) -> Iterator[Cost]:
        return iter(self.costs)

    def __len__(self) -> int:
        return len(self.costs)

    @property
    def unmeasured(self) -> tuple[Cost, ...]:
        """Runs whose energy is not known: in no sum, and never 0."""
        return tuple(cost for cost in self.costs if cost.statement is None)

    @property
    def failed(self) -> tuple[Cost, ...]:
        return tuple(cost for cost in self.costs if cost.failed)

    @property
    def energy_kwh(self) -> float:
        """With PUE, of the runs whose energy is known; of both bases: `modelled_kwh` tells what no sensor saw."""
        return sum(cost.energy_kwh or 0.0 for cost in self.costs)

    @property
    def modelled_kwh(self) -> float:
        return sum(cost.modelled_kwh or 0.0 for cost in self.costs)

    @property
    def energy(self) -> Energy:
        """Joules without PUE, by basis."""
        total = Energy()
        for cost in self.costs:
            if cost.statement and cost.statement.credit:
                total += cost.statement.credit.energy
        return total

    @property
    def kg(self) -> float | None:
        """None where the place of a run is not known: less than all would read as all."""
        known = [cost.kg for cost in self.costs if cost.statement]
        return None if any(kg is None for kg in known) else sum(kg or 0.0 for kg in known)

    @property
    def hours(self) -> float:
        return sum(cost.hours or 0.0 for cost in self.costs)

    def share(self, cost: Cost) -> float | None:
        """Of one run in `energy_kwh`."""
        if cost.energy_kwh is None or self.energy_kwh <= 0:
            return None
        return cost.energy_kwh / self.energy_kwh

    @property
    def failed_share(self) -> float | None:
        """Of failed runs in `energy_kwh`; None where the energy of one of them is not known."""
        shares = [self.share(cost) for cost in self.failed]
        return None if any(share is None for share in shares) else sum(share or 0.0 for share in shares)

    @property
    def product(self) -> Product | None:
        """None where no run finished with its energy known."""
        whole = [cost for cost in self.costs if not cost.failed and cost.energy_kwh is not None]
        if not whole:
            return None
        unit, counts = _examples(whole)
        each = Sample.of((cost.energy_kwh or 0.0) / count for cost, count in zip(whole, counts, strict=True))
        epochs = Sample.of(float(len({step.epoch for step in cost.run.steps})) for cost in whole)
        known = all(cost.run.steps for cost in whole)
        return Product(
            unit, each.mean or 0.0, Sample.of(counts).mean or 0.0, epochs.mean if known else None, len(self.costs),
            len(whole),
        )  # fmt: skip

    def reach(self, metric: str | Metric, threshold: float) -> Reach:
        """What it took to reach a value of a metric."""
        return Reach.of(self.costs, Metric.of(metric) if isinstance(metric, str) else metric, threshold)


def studies(costs: Sequence[Cost], alike: Alike | None = None, name: str = "study") -> list[Study]:
    """One study of each group, in order of appearance; of all where no groups are told."""
    groups: dict[str, list[Cost]] = {}
    for cost in costs:
        of = name if alike is None else alike.name(cost.run.metadata.labels, cost.name, str(cost.run.path))
        groups.setdefault(of, []).append(cost)
    return [Study.of_costs(of, group) for group, of in groups.items()]


def _examples(costs: Sequence[Cost]) -> tuple[str, list[float]]:
    """What each run processed, in the finest unit that every step of every run counted."""
    units = [cost.statement.work.counts if cost.statement else {} for cost in costs]
    for unit in ("sample", "step"):
        counts = [of[unit] for of in units if of.get(unit)]
        if len(counts) == len(costs):
            return unit, counts
    return "run", [1.0] * len(costs)
