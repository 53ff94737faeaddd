"""`Sample`: one quantity of several runs, with its mean and how sure that is."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

ALONE = "one run: no standard error"


@dataclass(frozen=True, slots=True)
class Sample:
    """Values of independent runs, in the order of the runs."""

    values: tuple[float, ...]

    @classmethod
    def of(cls, values: Iterable[float | None]) -> Sample:
        """Values that are not known, or no numbers, are left out: `n` tells how many are left."""
        return cls(tuple(float(value) for value in values if value is not None and math.isfinite(value)))

    @property
    def n(self) -> int:
        return len(self.values)

    @property
    def mean(self) -> float | None:
        return math.fsum(self.values) / self.n if self.values else None

    @property
    def sd(self) -> float | None:
        """Standard deviation of the sample (n − 1); None of fewer than two values."""
        if (mean := self.mean) is None or self.n < 2:
            return None
        return math.sqrt(math.fsum((value - mean) ** 2 for value in self.values) / (self.n - 1))

    @property
    def se(self) -> float | None:
        """Standard error of the mean; None of fewer than two values: that is not 0."""
        return None if (sd := self.sd) is None else sd / math.sqrt(self.n)

    def text(self, factor: float = 1.0) -> str:
        """`12.34 ± 0.56` in a unit of which `factor` make one of the values'; `12.3` of one value; `–` of none."""
        if (mean := self.mean) is None:
            return "–"
        return plus_minus(mean * factor, None if self.se is None else self.se * factor)


def plus_minus(mean: float, error: float | None) -> str:
    """The error in two significant digits, and the mean in as many decimals; three or more digits where there is none.
    No more decimals than the mean has digits in a double."""
    if not error:
        sure = "" if error is None else " ± 0"
        return f"{_fixed(mean, _places(mean, 4))}{sure}"
    places = min(_places(error, 2), _places(mean, 12))
    return f"{_fixed(mean, places)} ± {_fixed(error, places)}"


def _places(value: float, digits: int) -> int:
    """Decimals that show so many significant digits."""
    if not value or not math.isfinite(value):
        return 0
    return digits - 1 - math.floor(math.log10(abs(float(f"{value:.{digits - 1}e}"))))


def _fixed(value: float, places: int) -> str:
    return f"{round(value, places):,.{max(0, places)}f}"
