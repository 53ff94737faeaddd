"""Means with standard errors, their units, and groups of runs."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smaragdine import SmaragdineError
from smaragdine.accounts.alike import Alike, in_order
from smaragdine.accounts.pareto import front
from smaragdine.accounts.sample import Sample, plus_minus
from smaragdine.accounts.unit import Unit

VALUES = st.lists(st.floats(1e-9, 1e6), min_size=2, max_size=30)


@given(VALUES)
def test_mean_deviation_and_standard_error_are_numpys(values: list[float]) -> None:
    sample = Sample.of(values)
    assert sample.mean == pytest.approx(np.mean(values), rel=1e-12)
    assert sample.sd == pytest.approx(np.std(values, ddof=1), rel=1e-9, abs=1e-12 * max(values))
    assert sample.se == pytest.approx(
        np.std(values, ddof=1) / math.sqrt(len(values)), rel=1e-9, abs=1e-12 * max(values)
    )


def test_one_value_has_no_standard_error_and_none_has_no_mean() -> None:
    assert (Sample.of([2.5]).mean, Sample.of([2.5]).sd, Sample.of([2.5]).se) == (2.5, None, None)
    assert (Sample.of([]).mean, Sample.of([]).se, Sample.of([]).text()) == (None, None, "–")
    assert Sample.of([1.0, 1.0]).se == 0.0


def test_what_is_not_known_is_left_out_and_not_zero() -> None:
    sample = Sample.of([1.0, None, math.nan, math.inf, 3.0])
    assert (sample.n, sample.mean) == (2, 2.0)


@pytest.mark.parametrize(
    ("mean", "error", "told"),
    [
        (12.3456, 0.5678, "12.35 ± 0.57"),
        (1234567.0, 89000.0, "1,235,000 ± 89,000"),
        (0.9116, 0.0096, "0.9116 ± 0.0096"),
        (0.99999, 0.0996, "1.00 ± 0.10"),
        (5.0, None, "5.000"),
        (3.0, 0.0, "3.000 ± 0"),
        (-2.0, 0.11, "-2.00 ± 0.11"),
    ],
)
def test_a_mean_has_as_many_decimals_as_its_error(mean: float, error: float | None, told: str) -> None:
    assert plus_minus(mean, error) == told


def test_a_column_has_one_unit_that_fits_its_largest_value() -> None:
    assert Unit.of_kwh([2e-6, 3e-5]).name == "mWh"
    assert Unit.of_kwh([0.5, 2.0]).told(0.5) == "0.5000 kWh"
    assert Unit.of_kg([0.0321]).told(0.0321) == "32.10 g"
    assert Unit.of_hours([0.001]).told(0.001) == "3.600 s"
    assert Unit.of_kwh([None]).told(None) == "–"
    assert Unit.of_kwh([0.9999]).name == "kWh"


def test_runs_are_alike_by_labels_pattern_or_name() -> None:
    labels = {"lr": "0.1", "batch": "8"}
    assert Alike.by().name(labels, "bert", "/runs/a") == "bert"
    assert Alike.by(["lr"]).name(labels, "bert", "/runs/a") == "lr 0.1"
    assert Alike.by(["lr", "batch"]).name(labels, "bert", "/runs/a") == "lr 0.1, batch 8"
    assert Alike.by(["seed"]).name(labels, "bert", "/runs/a") == "no label seed"
    assert Alike.by(["seed", "site"]).name(labels, "bert", "/runs/a") == "no label seed, site"
    assert Alike.by(["lr", "seed"]).name(labels, "bert", "/runs/a") == "lr 0.1, seed –"
    by_path = Alike.by(pattern="/(?P<model>[a-z]+)-(?P<size>[0-9]+)")
    assert by_path.name({}, "x", "/runs/bert-12") == "model bert, size 12"
    assert by_path.name({}, "/gpt-2", "/runs/other") == "model gpt, size 2"
    assert by_path.name({}, "x", "/runs/other") == "no match"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"pattern": "("}, "no regular expression"),
        ({"pattern": "lr([0-9]+)"}, "names no group"),
        ({"labels": ["lr"], "pattern": "(?P<a>b)"}, "not by both"),
    ],
)
def test_a_pattern_that_tells_no_group_is_refused(options: dict[str, object], told: str) -> None:
    with pytest.raises(SmaragdineError, match=told):
        Alike.by(**options)


def test_groups_are_in_the_order_of_the_numbers_in_their_names() -> None:
    names = ["lr 0.1", "lr 0.01", "lr 1e-3", "layer 10", "layer 2"]
    assert sorted(names, key=in_order) == ["layer 2", "layer 10", "lr 1e-3", "lr 0.01", "lr 0.1"]


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=12))
def test_on_the_front_is_what_nothing_else_beats(points: list[tuple[int, int]]) -> None:
    def beaten(of: tuple[int, int]) -> bool:
        return any(good >= of[0] and cost <= of[1] and (good, cost) != of for good, cost in points)

    assert front([(float(good), float(cost)) for good, cost in points]) == [not beaten(point) for point in points]
