"""Least squares with a prediction interval: against tables of Student's distribution, and by coverage."""

from __future__ import annotations

import math

import numpy as np
import pytest

from smaragdine import SmaragdineError
from smaragdine.what_if import Line, extrapolate
from smaragdine.what_if.line import student


@pytest.mark.parametrize(
    ("degrees", "quantile"),
    [(1, 6.3138), (2, 2.9200), (3, 2.3534), (4, 2.1318), (9, 1.8331), (30, 1.6973), (10**6, 1.6449)],
)  # fmt: skip
def test_quantiles_are_those_of_the_tables(degrees: int, quantile: float) -> None:
    assert student(degrees, 0.9) == pytest.approx(quantile, abs=5e-5)


def test_points_on_a_line_go_on_along_it() -> None:
    forwards = extrapolate([0, 1, 2, 3], [1.0, 1.5, 2.0, 2.5], 2)
    assert [one.number for one in forwards] == [4, 5]
    assert [one.value for one in forwards] == pytest.approx([3.0, 3.5])
    assert all(one.high - one.low == pytest.approx(0, abs=1e-9) for one in forwards)
    assert [one.number for one in extrapolate([3, 4, 5], [5.0, 5.0, 5.0], -2)] == [2, 1]


def test_the_interval_is_that_of_the_textbook() -> None:
    """x = 1…5, y = 2, 4, 5, 4, 5: slope 0.6, intercept 2.2, s = sqrt(0.8)."""
    line = Line.through([1, 2, 3, 4, 5], [2, 4, 5, 4, 5])
    assert (line.slope, line.intercept, line.deviation) == pytest.approx((0.6, 2.2, math.sqrt(0.8)))
    ahead = line.at(6)
    half = 2.35336 * math.sqrt(0.8) * math.sqrt(1 + 1 / 5 + 9 / 10)
    assert (ahead.value, ahead.high - ahead.value) == pytest.approx((5.8, half), rel=1e-5)


@pytest.mark.parametrize("summed", [1, 4])
def test_nine_of_ten_intervals_hold_what_comes(summed: int) -> None:
    random = np.random.default_rng(7)
    x, further, held = np.arange(8), list(range(8, 8 + summed)), 0
    for _ in range(2000):
        y = 3 + 0.2 * x + random.normal(0, 0.5, 8)
        truth = sum(3 + 0.2 * number + random.normal(0, 0.5) for number in further)
        predicted = Line.through(list(x), list(y)).sum_of(further)
        held += predicted.low <= truth <= predicted.high
    assert 0.88 < held / 2000 < 0.92


@pytest.mark.parametrize(
    ("x", "y"), [([], []), ([0], [1]), ([0, 1], [1, 2]), ([1, 1, 1], [1, 2, 3]), ([0, 1, 2], [1, math.nan, 2]),
                 ([0, 1, 2], [1, 2]), ([0, 1, 2], [1, math.inf, 2])]
)  # fmt: skip
def test_what_tells_no_line_is_refused(x: list, y: list) -> None:
    with pytest.raises(SmaragdineError):
        Line.through(x, y)


@pytest.mark.parametrize("steps", [10**9, 1.5, "2", math.nan])
def test_as_many_points_as_nobody_wants_are_refused(steps: object) -> None:
    with pytest.raises(SmaragdineError):
        extrapolate([0, 1, 2], [1.0, 1.0, 1.0], steps)  # type: ignore[arg-type]


def test_a_line_below_nothing_is_refused() -> None:
    with pytest.raises(SmaragdineError, match="below 0"):
        extrapolate([0, 1, 2], [3.0, 2.0, 1.0], 4)


@pytest.mark.parametrize("degrees", [1, 2, 5, 8, 31, 400, 1000, 1001, 50_000])
def test_quantiles_are_scipy_s(degrees: int) -> None:
    stats = pytest.importorskip("scipy.stats")
    assert student(degrees, 0.9) == pytest.approx(float(stats.t.ppf(0.95, degrees)), rel=1e-6)
