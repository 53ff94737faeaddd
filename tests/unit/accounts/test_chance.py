"""Whether groups of runs differ beyond chance: SciPy's numbers, Holm's correction, and what cannot be tested."""

from __future__ import annotations

import math
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from smaragdine import SmaragdineError
from smaragdine.accounts import chance
from smaragdine.accounts.chance import Chance, compare_all, compare_ranked, holm
from smaragdine.accounts.sample import Sample

A, B = (10.1, 10.4, 9.8, 10.0, 10.3), (12.0, 11.2, 12.4, 11.8, 12.1, 11.9)


def of(a: tuple[float, ...], b: tuple[float, ...]) -> Chance:
    return Chance.of("a", Sample(a), "b", Sample(b))


def test_the_tests_are_scipys() -> None:
    found = of(A, B)
    welch = stats.ttest_ind(B, A, equal_var=False)
    assert found.difference == pytest.approx(np.mean(B) - np.mean(A))
    assert found.p_welch == pytest.approx(welch.pvalue, rel=1e-9)
    assert found.welch == pytest.approx((welch.confidence_interval().low, welch.confidence_interval().high))
    assert found.p_mann_whitney == pytest.approx(stats.mannwhitneyu(A, B).pvalue)
    # Of 462 ways to divide the runs two are as far apart.
    assert found.p_permutation == pytest.approx(2 / math.comb(11, 5))
    low, high = found.bootstrap or (0.0, 0.0)
    assert low < found.difference < high
    assert low == pytest.approx(found.difference - 0.45, abs=0.15)


@pytest.mark.parametrize("unit", [1e-9, 1.0, 1e9])
def test_a_unit_changes_no_p_value(unit: float) -> None:
    plain, scaled = of(A, B), of(tuple(unit * a for a in A), tuple(unit * b for b in B))
    assert scaled.p_welch == pytest.approx(plain.p_welch, rel=1e-6)
    assert (scaled.p_mann_whitney, scaled.p_permutation) == (plain.p_mann_whitney, plain.p_permutation)
    assert scaled.bootstrap == pytest.approx(tuple(unit * bound for bound in plain.bootstrap or ()), rel=1e-6)


def test_the_same_runs_give_the_same_numbers() -> None:
    long = tuple(np.random.default_rng(1).normal(size=40))
    assert of(A, long) == of(A, long)


def test_holm_multiplies_by_how_many_are_left_and_never_falls() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, None, 0.9]) == pytest.approx([1.0, None, 1.0])
    assert holm([0.02, 0.02]) == pytest.approx([0.04, 0.04])
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_is_between_none_and_bonferroni(values: list[float]) -> None:
    for plain, corrected in zip(values, holm(values), strict=True):
        assert corrected is not None
        assert plain <= corrected <= min(1.0, len(values) * plain)


def test_one_run_and_runs_alike_to_the_last_digit_are_not_tested() -> None:
    assert of((1.0,), B).verdict == "one run of a: nothing can be tested"
    assert of((1.0, 1.0), (2.0, 2.0)).verdict.startswith("all runs of each group are alike")
    assert of((1.0,), B).differ is None
    # One group that does not vary is tested against another that does.
    assert of((1.0, 1.0), (2.0, 2.1)).p_welch is not None


def test_what_runs_cannot_tell_apart_is_said_to_be_so() -> None:
    near, far = compare_all({"a": Sample(A), "b": Sample(tuple(a + 0.01 for a in A)), "c": Sample(B)})[:2]
    assert near.differ is False
    assert near.verdict.startswith("cannot be told apart (p = 0.9")
    assert far.differ is True
    assert far.verdict.startswith("differ beyond chance (p ")


def test_three_runs_of_each_cannot_convince_a_permutation() -> None:
    pair = compare_all({"a": Sample((1.0, 1.1, 1.05)), "b": Sample((9.0, 9.1, 9.2))})[0]
    assert pair.least_p == pytest.approx(0.1)
    assert pair.p_permutation == pytest.approx(0.1)
    assert pair.caveat == "too few runs for ranks and permutations to tell anything"


def test_a_family_that_no_permutation_can_pass_is_said_to_be_too_few_runs() -> None:
    """Of four and four runs one comparison can reach 0.029, three together no better than 0.086."""
    a, b, c = (Sample(tuple(at + 0.01 * i for i in range(4))) for at in (1.0, 2.0, 3.0))
    assert compare_all({"a": a, "b": b})[0].verdict.startswith("differ beyond chance (p ")
    assert compare_all({"a": a, "b": b})[0].caveat is None
    for pair in compare_all({"a": a, "b": b, "c": c}):
        assert pair.least_p == pytest.approx(pair.holm_permutation)
        assert pair.caveat == "too few runs for ranks and permutations to tell anything"


def test_a_family_is_corrected_together_and_empty_groups_are_no_part_of_it() -> None:
    groups = {"a": Sample(A), "b": Sample(B), "none": Sample(()), "c": Sample(tuple(b + 0.2 for b in B))}
    pairs = compare_all(groups)
    assert [(pair.a, pair.b) for pair in pairs] == [("a", "b"), ("a", "c"), ("b", "c")]
    assert [pair.holm_welch for pair in pairs] == holm([pair.p_welch for pair in pairs])
    ranked = compare_ranked([("a", Sample(A)), ("b", Sample(B)), ("c", groups["c"])])
    assert [(pair.a, pair.b) for pair in ranked] == [("a", "b"), ("b", "c")]
    assert [pair.holm_welch for pair in ranked] == holm([pair.p_welch for pair in ranked])


def test_without_scipy_the_error_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chance, "find_spec", lambda name: None)
    with pytest.raises(SmaragdineError, match="SciPy") as raised:
        of(A, B)
    assert raised.value.hint == "pip install 'smaragdine[appendix]'"


def test_scipy_is_not_imported_before_it_is_needed() -> None:
    import subprocess

    code = "import sys, smaragdine.accounts.chance, smaragdine.carbon.leaderboard; assert 'scipy' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
