"""A job at other hours: by hand against a curve of a day, and against a series."""

from __future__ import annotations

import math

import numpy as np
import pytest

from profiles import two_components
from smaragdine import SmaragdineError
from smaragdine.carbon.series import Series
from smaragdine.what_if import Point, best_window, shift

# Clean from noon to three.
DAY = [400.0] * 12 + [100.0] * 3 + [400.0] * 9


def test_hours_of_the_job_meet_the_intensities_of_their_own() -> None:
    """Three hours from six on, 0.6 kWh each with its PUE."""
    assert shift(two_components(), DAY, 0).grams == pytest.approx(1.8 * 400, rel=1e-12)
    assert shift(two_components(), DAY, 4).grams == pytest.approx(0.6 * (400 + 400 + 100), rel=1e-12)
    assert shift(two_components(), DAY, 5.5).grams == pytest.approx(0.6 * (250 + 100 + 100), rel=1e-12)
    assert shift(two_components(), DAY, 5.5).intensity_g_per_kwh == pytest.approx(150, rel=1e-12)


def test_the_best_window_of_the_day_is_found_and_of_equal_ones_the_earliest() -> None:
    best = best_window(two_components(), DAY)
    assert (best.hours, best.grams) == (6.0, pytest.approx(180.0, rel=1e-12))
    assert best.start.isoformat() == "2026-11-28T12:00:00+00:00"
    assert best_window(two_components(), [50.0] * 24).hours == 0.0


@pytest.mark.parametrize("hours", [-48, -24, 24, 48])
def test_a_day_later_is_the_same_curve(hours: float) -> None:
    assert shift(two_components(), DAY, hours).grams == pytest.approx(shift(two_components(), DAY, 0).grams, rel=1e-12)


@pytest.mark.parametrize("hours", [0, 0.3, 7, -5.25])
def test_a_flat_curve_changes_nothing(hours: float) -> None:
    assert shift(two_components(), [123.0] * 24, hours).grams == pytest.approx(1.8 * 123, rel=1e-12)


def test_a_job_over_midnight_and_over_days_meets_every_day_alike() -> None:
    long = two_components(points=(Point(0, {"cpu": 1.0}, 2.5 * 86_400),), pue=None)
    mean = sum(DAY) / 24
    # Two and a half days from six o'clock on: two days' mean, and twelve hours from six to eighteen.
    by_hand = (2 * mean + 0.5 * (9 * 400 + 3 * 100) / 12) / 2.5
    assert shift(long, DAY, 0).grams == pytest.approx(by_hand, rel=1e-12)


def test_a_series_is_met_at_its_own_times_and_what_it_lacks_is_told() -> None:
    start = 1_795_845_600 * 10**9  # 2026-11-28T06:00:00Z
    hours = [(start + h * 3600 * 10**9, start + (h + 1) * 3600 * 10**9, 100.0 * (h + 1)) for h in range(4)]
    series = Series.of(hours, "a grid", "lifecycle")
    assert shift(two_components(), series, 0).grams == pytest.approx(0.6 * 600, rel=1e-9)
    assert shift(two_components(), series, 1).grams == pytest.approx(0.6 * 900, rel=1e-9)
    with pytest.raises(SmaragdineError, match="a grid"):
        shift(two_components(), series, 2)
    assert best_window(two_components(), series).hours == 0.0


@pytest.mark.parametrize("curve", [[], [100.0] * 7, [100.0] * 23 + [0.0], [math.nan] * 24, [-1.0] * 24, ["a"] * 24])
def test_a_curve_of_no_day_is_refused(curve: list) -> None:
    with pytest.raises(SmaragdineError):
        shift(two_components(), curve, 1)


@pytest.mark.parametrize("hours", [math.nan, math.inf, 1e9, "3", None])
def test_hours_that_are_none_are_refused(hours: object) -> None:
    with pytest.raises(SmaragdineError):
        shift(two_components(), DAY, hours)  # type: ignore[arg-type]


def test_a_profile_that_tells_no_times_cannot_be_shifted() -> None:
    for profile in (two_components(started=None), two_components(points=(Point(0, {"cpu": 1.0}),))):
        with pytest.raises(SmaragdineError, match="when it started"):
            shift(profile, DAY, 1)


def test_numpy_s_numbers_are_numbers() -> None:
    assert shift(two_components(), np.full(24, 200.0), np.float64(2)).grams == pytest.approx(360.0)
