"""Accounting similarity: the paper's own example, and what correlation, MED, ASSS and ASSW say of known footprints."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from smaragdine import Footprint, SmaragdineError
from smaragdine.accounts.footprint import RunsFootprint
from smaragdine.similarity import asss, assw, correlation, mean_error_difference, stefs
from testbed import synthetic_trace

# Figure 6 of the paper.
STEF_1 = {
    "Input Embedding": 21.0, "Output Embedding": 21.0, "Input Attention": 54.0, "Output Attention": 54.0,
    "Input Add & Norm 1": 118.0, "Output Add & Norm": 118.0, "Input Feed Forward": 184.0, "Input Add & Norm 2": 100.0,
    "Output Feed Forward": 200.0,
}  # fmt: skip
STEF_2 = dict(zip(STEF_1, (15.0, 15.0, 23.0, 23.0, 59.0, 59.0, 92.0, 50.0, 100.0), strict=True))


def bert(layers: int = 4) -> Footprint:
    return synthetic_trace.footprint(synthetic_trace.Program.bert(layers))


def scaled(footprint: Footprint, energy: float, time: float = 1.0) -> Footprint:
    return replace(footprint, rows=tuple(row.scaled(energy, time) for row in footprint.rows))


def noisy(footprint: Footprint, seed: int) -> Footprint:
    random = np.random.default_rng(seed)
    return replace(footprint, rows=tuple(row.scaled(float(random.uniform(0.5, 1.5)), 1.0) for row in footprint.rows))


def test_the_papers_example_is_reproduced() -> None:
    assert correlation(STEF_1, STEF_2) == pytest.approx(0.9958, abs=5e-5)
    assert mean_error_difference(STEF_1, STEF_2) == pytest.approx((870 - 436) / 9, rel=1e-12)


def test_similarity_does_not_depend_on_the_amount_of_energy() -> None:
    assert correlation(bert(), scaled(bert(), 7.0)) == pytest.approx(1.0, abs=1e-12)
    assert correlation(STEF_1, {name: -energy for name, energy in STEF_1.items()}) == pytest.approx(-1.0, abs=1e-12)


def test_a_tensor_that_one_lacks_has_no_energy_there_and_no_power_to_compare() -> None:
    assert correlation({"a": 1.0, "b": 2.0}, {"a": 2.0, "b": 1.0, "c": 0.0}) == pytest.approx(0.5, abs=1e-12)
    assert correlation({"a": 1.0, "b": 2.0}, {"a": 2.0, "b": 1.0, "c": 9.0}, power=True) == pytest.approx(-1.0)
    assert mean_error_difference({"a": 1.0, "b": 2.0}, {"a": 4.0, "c": 9.0}) == -3.0
    assert mean_error_difference({"a": 1.0}, {"b": 1.0}) is None


def test_models_of_different_depth_are_compared_by_their_folded_layers() -> None:
    four, six = stefs([bert(4).phase("forward"), bert(6).phase("forward")])
    assert "bert/encoder/transformer/output/dense/MatMul" in four
    assert four.keys() == six.keys()
    difference = mean_error_difference(bert(6).phase("forward"), bert(4).phase("forward"))
    assert difference is not None
    assert difference == pytest.approx(sum(six.values()) / len(six) - sum(four.values()) / len(four), rel=1e-9)


def test_power_is_compared_as_power() -> None:
    twice = scaled(bert(), 2.0)
    assert mean_error_difference(scaled(bert(), 2.0, 2.0), bert(), power=True) == pytest.approx(0.0, abs=1e-12)
    stpf = stefs([bert(), twice], power=True)
    assert mean_error_difference(twice, bert(), power=True) == pytest.approx(float(np.mean(list(stpf[0].values()))))


def test_modelled_power_is_refused() -> None:
    modelled = replace(bert(), coverage=replace(bert().coverage, modelled=True))
    with pytest.raises(SmaragdineError, match="mean nothing"):
        correlation(modelled, modelled, power=True)


def test_a_written_stef_is_not_compared_with_a_recorded_one() -> None:
    with pytest.raises(SmaragdineError, match="written down"):
        correlation(STEF_1, bert())


def test_sparsing_tells_the_similarity_at_each_period() -> None:
    told = asss(bert(), {6: scaled(bert(), 2.0), 12: noisy(bert(), 1)})
    assert list(told) == [6, 12]
    assert told[6] == pytest.approx(1.0, abs=1e-12)
    assert told[12] == correlation(bert(), noisy(bert(), 1))


def test_widening_pools_all_runs_of_the_first_experiments() -> None:
    experiments = [RunsFootprint(tuple(noisy(bert(), 10 * n + run) for run in range(3))) for n in range(4)]
    told = assw(experiments[0], experiments)
    assert list(told) == [2, 3, 4]
    runs = tuple(footprint for experiment in experiments[:3] for footprint in experiment.footprints)
    assert told[3] == pytest.approx(correlation(experiments[0], RunsFootprint(runs)), abs=1e-9)


def test_pools_of_more_experiments_come_closer_to_what_does_not_vary() -> None:
    experiments = [noisy(bert(), seed) for seed in range(40)]
    truth = assw(bert(), experiments)
    assert truth[40] > truth[2]  # type: ignore[operator]
    assert truth[40] > 0.999  # type: ignore[operator]
