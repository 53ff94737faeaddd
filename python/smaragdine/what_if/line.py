"""A line through what was measured, by least squares, and how far the next point may lie from it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from smaragdine.errors import UsageError
from smaragdine.what_if import amounts

LEVEL = 0.9
FEWEST = 3
MOST = 10_000
"""Points that are extrapolated at once."""


@dataclass(frozen=True, slots=True)
class Predicted:
    """One further point, with the interval in which it lies with a chance of `LEVEL` if the line goes on."""

    number: int
    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Line:
    """y = intercept + slope · x, after ordinary least squares; errors of the points taken as normal and independent."""

    intercept: float
    slope: float
    count: int
    mean_x: float
    spread_x: float
    """Sum of squared distances of x from its mean."""
    deviation: float
    """Standard deviation of a point around the line: n − 2 degrees of freedom."""

    @classmethod
    def through(cls, x: Sequence[float], y: Sequence[float]) -> Line:
        """Raises UsageError for fewer than three points: two lie on a line whatever they are."""
        if len(x) != len(y):
            raise UsageError(f"{len(x)} places have {len(y)} values")
        if len(x) < FEWEST:
            raise UsageError(
                f"{len(x)} points tell no line", f"extrapolation needs at least {FEWEST}, to know how far they scatter"
            )
        xs, ys = (np.array([amounts.between(value, "a point", 1e18) for value in values]) for values in (x, y))
        distances = xs - xs.mean()
        spread = float((distances**2).sum())
        if spread == 0:
            raise UsageError("all points lie at one place", "a line needs points at several")
        slope = float((distances * (ys - ys.mean())).sum()) / spread
        intercept = float(ys.mean()) - slope * float(xs.mean())
        rest = ys - intercept - slope * xs
        deviation = math.sqrt(float((rest**2).sum()) / (len(xs) - 2))
        return cls(intercept, slope, len(xs), float(xs.mean()), spread, deviation)

    def at(self, number: int) -> Predicted:
        """One new point."""
        return self.sum_of([number])

    def sum_of(self, numbers: Sequence[int]) -> Predicted:
        """The sum of new points, for what is cumulative: their errors are independent, that of the line is common."""
        value = sum(self.intercept + self.slope * number for number in numbers)
        far = sum(number - self.mean_x for number in numbers)
        variance = len(numbers) + len(numbers) ** 2 / self.count + far**2 / self.spread_x
        half = student(self.count - 2, LEVEL) * self.deviation * math.sqrt(variance)
        return Predicted(numbers[-1], value, value - half, value + half)


def extrapolate(numbers: Sequence[int], values: Sequence[float], steps: int) -> list[Predicted]:
    """`steps` further points after the last, or before the first where it is negative, nearest first.

    `numbers`: evenly numbered epochs or steps. Raises SmaragdineError where a prediction is below 0: the line does not
    go on there.
    """
    if not isinstance(steps, int) or abs(steps) > MOST:
        raise UsageError(f"{steps!r} points cannot be extrapolated", f"it is a whole number, at most {MOST} either way")
    line = Line.through(numbers, values)
    first, last = min(numbers), max(numbers)
    places = range(last + 1, last + steps + 1) if steps > 0 else range(first - 1, first + steps - 1, -1)
    predicted = [line.at(place) for place in places]
    if below := next((one for one in predicted if one.value < 0), None):
        raise UsageError(
            f"at {below.number} the line is below 0", "nothing takes less than no energy: extrapolate less far"
        )
    return predicted


def student(degrees: int, level: float) -> float:
    """Of Student's distribution: so many deviations to both sides of the mean hold `level` of it.

    By bisection of its exact distribution function, a finite sum of cosines (Abramowitz and Stegun, 26.7.3 and 26.7.4).
    """
    low, high = 0.0, 1.0
    while _within(high, degrees) < level:
        high *= 2
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if _within(middle, degrees) < level else (low, middle)
    return (low + high) / 2


# From here on it is the normal one to five digits, with Cornish and Fisher's first correction.
_MANY = 1000


def _within(t: float, degrees: int) -> float:
    if degrees > _MANY:
        z = t * (1 - 1 / (4 * degrees)) / math.sqrt(1 + t * t / (2 * degrees))
        return math.erf(z / math.sqrt(2))
    angle = math.atan(t / math.sqrt(degrees))
    cosine = math.cos(angle)
    term, total = 1.0, 0.0
    if degrees % 2:
        term = cosine
        for k in range(1, (degrees - 1) // 2 + 1):
            total += term
            term *= cosine**2 * 2 * k / (2 * k + 1)
        return 2 / math.pi * (angle + math.sin(angle) * total)
    for k in range(1, degrees // 2 + 1):
        total += term
        term *= cosine**2 * (2 * k - 1) / (2 * k)
    return math.sin(angle) * total
