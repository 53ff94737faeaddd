"""What programs logged with their steps: accuracy, loss, return."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from smaragdine.errors import UsageError

if TYPE_CHECKING:
    from smaragdine.carbon.run import Run

BEST, LAST = "best", "last"
_LOWER = re.compile(
    r"loss|err(?:or)?(?![a-z])|perplexity|(?<![a-z])ppl|(?<![a-z])(?:r?mse|mae|mape|wer|cer|fid|nll|bpb|bpc|kld?|elbo_loss)"
    r"(?![a-z])|cross_?entropy|latency|divergence|brier|regret",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Logged:
    """A value as a step logged it; perhaps no number."""

    step: int
    epoch: int
    end_ns: int
    value: float


@dataclass(frozen=True, slots=True)
class Metric:
    """Which metric, and which way is better."""

    name: str
    lower: bool
    guessed: bool = True
    """By its name, nobody told."""

    @classmethod
    def of(cls, name: str, lower: bool | None = None) -> Metric:
        return cls(name, bool(_LOWER.search(name)), True) if lower is None else cls(name, lower, False)

    @property
    def words(self) -> str:
        """`loss: lower is better, by its name`."""
        way = "lower" if self.lower else "higher"
        return f"{self.name}: {way} is better, {'by its name' if self.guessed else 'as told'}"

    def better(self, one: float, other: float) -> bool:
        return one < other if self.lower else one > other

    def value(self, run: Run, at: str = BEST) -> Logged | None:
        """The best value that a run logged, the first of equal ones, or the last one. None where it logged none; where
        the last is no number, the run has none either."""
        known = logged(run, self.name)
        if at == LAST:
            return known[-1] if known and math.isfinite(known[-1].value) else None
        finite = [one for one in known if math.isfinite(one.value)]
        return (min if self.lower else max)(finite, key=lambda one: one.value) if finite else None

    def first(self, run: Run, threshold: float) -> Logged | None:
        """Where a run first logged a value as good as this."""
        return next((one for one in logged(run, self.name) if self.reached(one.value, threshold)), None)

    def reached(self, value: float, threshold: float) -> bool:
        return math.isfinite(value) and (value <= threshold if self.lower else value >= threshold)


def logged(run: Run, name: str) -> list[Logged]:
    """In order of time."""
    steps = (step for step in run.steps if name in step.metrics)
    return [Logged(step.step, step.epoch, step.end_ns, step.metrics[name]) for step in steps]


def names(runs: Iterable[Run]) -> tuple[str, ...]:
    """What any of them logged, sorted."""
    return tuple(sorted({name for run in runs for step in run.steps for name in step.metrics}))


def require(name: str, runs: Iterable[Run]) -> None:
    """Raises UsageError where none of them logged it, with what they did."""
    known = names(runs)
    if name not in known:
        told = f"logged were: {', '.join(known[:12])}" if known else "none of them logged a metric with its steps"
        raise UsageError(f"no run logged a metric {name!r}", told)
