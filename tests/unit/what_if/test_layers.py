"""Other layers: what is saved by hand, with its interval, and where there is no ground to stand on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import smaragdine
from profiles import layered, two_components
from smaragdine import SmaragdineError
from smaragdine.what_if import Layers, Profile, Work, early_exit, halved, shared, without, work_of
from testbed import synthetic_trace
from testbed.synthetic_trace import Program


def test_without_a_layer_its_passes_and_its_updates_are_saved() -> None:
    one = without(layered(), "net/block_1")
    assert (one.saved_j, one.low_j, one.high_j) == pytest.approx((33.0, 27.5, 38.5))
    assert one.factor == pytest.approx(1 - 33 / 200)
    assert "estimate" in str(one) and "90 % interval" in str(one)


def test_a_layer_and_one_inside_it_are_left_out_once() -> None:
    assert without(layered(), "net/block_1", "net/block_1/dense").saved_j == without(layered(), "net/block_1").saved_j


def test_a_name_that_only_begins_alike_is_another_layer() -> None:
    layers = layered()
    more = replace(layers, rows=(*layers.rows, Work("net/block_10", "forward", "Mul", "measured", 5.0, 4.0, 6.0, None)))
    assert without(more, "net/block_1").saved_j == pytest.approx(33.0)


def test_half_of_the_flops_save_half_of_what_they_take_elsewhere() -> None:
    """8 nJ per FLOP everywhere: half of 3 GFLOP are 12 J, without any spread."""
    one = halved(layered(), "net/block_0")
    assert (one.saved_j, one.low_j, one.high_j) == pytest.approx((12.0, 12.0, 12.0))


def test_layers_that_differ_in_joules_per_flop_widen_the_interval() -> None:
    layers = layered()
    rows = [replace(row, energy_j=row.energy_j * (1.5 if "block_2" in row.layer else 1.0)) for row in layers.rows]
    one = halved(replace(layers, rows=tuple(rows)), "net/block_0")
    assert one.low_j is not None and one.high_j is not None
    assert one.low_j < one.saved_j < one.high_j


@pytest.mark.parametrize(
    ("layers", "because"),
    [
        (layered("modelled"), "modelled"),
        (layered(flops=False), "no ground"),
        (Layers(200.0, layered().rows[:2]), "no ground"),
    ],
)
def test_half_of_the_flops_are_refused_where_nothing_tells_joules_per_flop(layers: Layers, because: str) -> None:
    with pytest.raises(SmaragdineError, match=because):
        halved(layers, "net/block_0")


def test_shared_weights_save_updates_and_no_passes() -> None:
    one = shared(layered(), "net/block_2")
    assert (one.saved_j, one.low_j, one.high_j) == pytest.approx((6.0, 4.0, 8.0))
    with pytest.raises(SmaragdineError, match="not told apart"):
        shared(layered(optimizer=False), "net/block_2")


def test_an_early_exit_saves_the_layers_that_follow() -> None:
    assert early_exit(layered(), "net/block_0").saved_j == pytest.approx(66.0)
    assert early_exit(layered(), "net/block_1").saved_j == pytest.approx(33.0)
    with pytest.raises(SmaragdineError, match="no layer follows"):
        early_exit(layered(), "net/block_2")


def test_layers_follow_by_their_numbers_and_not_by_their_letters() -> None:
    rows = [Work(f"net/block_{n}", "forward", "MatMul", "measured", 1.0, 1.0, 1.0, None) for n in range(12)]
    assert early_exit(Layers(20.0, tuple(rows)), "net/block_2").saved_j == pytest.approx(9.0)


def test_layers_that_are_built_otherwise_are_no_stack() -> None:
    rows = [Work("net/dense", "forward", "MatMul", "measured", 1.0, 1.0, 1.0, None),
            Work("net/dense_1", "forward", "Conv2D", "measured", 1.0, 1.0, 1.0, None)]  # fmt: skip
    for question in (shared, early_exit):
        with pytest.raises(SmaragdineError, match="built alike"):
            question(Layers(4.0, tuple(rows)), "net/dense")


@pytest.mark.parametrize("question", [without, halved, shared, early_exit])
@pytest.mark.parametrize("layer", ["net/block_7", "optimizer", "", "loss", "net/bloc"])
def test_what_is_no_layer_is_refused(question: object, layer: str) -> None:
    with pytest.raises(SmaragdineError):
        question(layered(), layer)  # type: ignore[operator]


def test_an_unknown_bound_is_an_unknown_interval() -> None:
    layers = layered()
    rows = [replace(row, low_j=None) for row in layers.rows]
    one = without(replace(layers, rows=tuple(rows)), "net/block_1")
    assert one.low_j is None and "interval is unknown" in str(one)


def test_a_modelled_estimate_says_so() -> None:
    one = without(layered("modelled"), "net/block_1")
    assert one.modelled and "modelled" in str(one)


def test_a_profile_without_layers_has_no_ground() -> None:
    with pytest.raises(SmaragdineError, match="no footprint by layer"):
        without(two_components(), "net/block_1")


def test_what_an_optimizer_does_for_a_layer_is_the_layer_s() -> None:
    footprint = synthetic_trace.footprint(Program.bert())
    updates = [row for row in work_of(footprint, {}) if row.phase == "optimizer"]
    assert {row.layer for row in updates} >= {f"bert/encoder/layer_{n}/output/dense" for n in range(4)}
    assert sum(row.energy_j for row in work_of(footprint, {})) == pytest.approx(footprint.total.measured_j)


def test_a_trace_s_own_layers_answer(tmp_path: Path) -> None:
    profile = Profile.of(smaragdine.Trace.open(synthetic_trace.write(tmp_path / "bert")))
    assert early_exit(profile, "bert/encoder/layer_0").saved_j > without(profile, "bert/encoder/layer_1").saved_j > 0
