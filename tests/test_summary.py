"""Summaries: which layers fold into one, and that no joule is lost when they do."""

from __future__ import annotations

import pytest
from hypothesis import given

import synthetic_trace
from smaragdine import Footprint
from smaragdine.summary import Summary
from test_footprint import footprints


def folded(*qtns: str) -> list[str]:
    """The names under which tensors that lie right in their layers fold."""
    names = Summary.of((qtn, qtn.rpartition("/")[0]) for qtn in qtns).names
    return [names[qtn] for qtn in qtns]


@given(footprints)
def test_folding_keeps_energy_time_and_count(footprint: Footprint) -> None:
    summary = footprint.summarize()
    assert summary.total.measured_j == pytest.approx(footprint.total.measured_j, rel=1e-9, abs=1e-12)
    assert summary.total.modelled_j == pytest.approx(footprint.total.modelled_j, rel=1e-9, abs=1e-12)
    assert sum(row.time_s for row in summary) == pytest.approx(sum(row.time_s for row in footprint), rel=1e-9)
    assert sum(row.count for row in summary) == sum(row.count for row in footprint)


@given(footprints)
def test_operations_never_fold(footprint: Footprint) -> None:
    names = Summary.of((row.qtn, row.layer) for row in footprint).names
    for qtn, name in names.items():
        assert qtn.rsplit("/", 1)[-1] == name.rsplit("/", 1)[-1]
        assert qtn.count("/") == name.count("/")


def test_the_papers_example_folds_into_a_transformer() -> None:
    program = synthetic_trace.Program()
    program.op("bert/encoder/layer_0/output/dense", "MatMul", 5.0)
    program.op("bert/encoder/layer_1/output/dense", "MatMul", 3.0)
    summary = synthetic_trace.footprint(program).summarize()
    assert [(row.qtn, row.energy_j, row.layer) for row in summary] == [
        ("bert/encoder/transformer/output/dense/MatMul", 8.0, "bert/encoder/transformer/output/dense")
    ]


def test_the_layers_of_bert_fold_in_both_passes() -> None:
    program = synthetic_trace.Program.bert(12)
    summary = Summary.of((op.qtn, op.layer) for op in program.ops)
    layers = tuple(f"bert/encoder/layer_{i}" for i in range(12))
    assert summary.folds["bert/encoder/transformer"] == layers
    assert summary.folds["gradients/bert/encoder/transformer"] == tuple(f"gradients/{layer}" for layer in layers)
    names = {name for name in summary.names.values() if not name.startswith("optimizer")}
    assert "gradients/bert/encoder/transformer/output/dense/MatMul_1" in names
    assert not any("layer_1" in name for name in names)


def test_products_of_one_layer_stay_distinct() -> None:
    assert folded("a/MatMul", "a/MatMul_1") == ["a/MatMul", "a/MatMul_1"]


def test_the_gradients_of_two_products_stay_distinct() -> None:
    layers = [f"enc/layer_{i}/self" for i in (0, 1)]
    scopes = [("MatMul", "MatMul_1"), ("MatMul_1", "MatMul_1"), ("MatMul_2", "MatMul_1")]
    operations = [(f"gradients/{layer}/{scope}/{name}", layer) for layer in layers for scope, name in scopes]
    assert set(Summary.of(operations).names.values()) == {
        f"gradients/enc/transformer/self/{scope}/{name}" for scope, name in scopes
    }


def test_what_lies_in_no_layer_does_not_fold() -> None:
    operations = [(f"adamw/scope_{i}/AssignSub", "optimizer") for i in (0, 1)]
    assert all(qtn == name for qtn, name in Summary.of(operations).names.items())


def test_siblings_of_another_structure_stay_apart() -> None:
    assert folded("m/block_0/dense/MatMul", "m/block_1/conv/Conv2D") == [
        "m/block_0/dense/MatMul",
        "m/block_1/conv/Conv2D",
    ]


def test_siblings_of_another_name_stay_apart() -> None:
    qtns = ("self/query/MatMul", "self/key/MatMul", "self/value/MatMul")
    assert folded(*qtns) == list(qtns)


def test_an_operation_more_or_less_does_not_keep_layers_apart() -> None:
    inside = ("q/MatMul", "k/MatMul", "v/MatMul", "out/MatMul", "Softmax")
    names = folded(*(f"enc/layer_{i}/{name}" for i in (0, 1) for name in inside), "enc/layer_1/Cast")
    assert {name.split("/")[1] for name in names} == {"transformer"}


def test_the_number_that_varies_becomes_k() -> None:
    qtns = [f"albert/group_0_{i}/inner_{j}/dense/Einsum" for i in (0, 1) for j in (0, 1, 2)]
    assert set(folded(*qtns)) == {"albert/group_0_k/inner_k/dense/Einsum"}


def test_keras_leaves_the_first_of_several_without_a_number() -> None:
    assert set(folded("net/dense/MatMul", "net/dense_1/MatMul", "net/dense_2/MatMul")) == {"net/dense_k/MatMul"}


def test_numbers_counted_through_the_model_fold_within_folded_layers() -> None:
    qtns = [f"enc/layer_{i}/attention/layer_normalization_{2 * i + j}/mul" for i in (0, 1) for j in (0, 1)]
    assert set(folded(*qtns)) == {"enc/transformer/attention/layer_normalization_k/mul"}


def test_two_families_of_one_name_keep_two_names() -> None:
    small = [f"net/layer_{i}/{name}" for i in (0, 1) for name in ("a", "b")]
    large = [f"net/layer_{i}/{name}" for i in (2, 3, 4) for name in ("x", "y")]
    assert set(folded(*small, *large)) == {
        "net/transformer/x",
        "net/transformer/y",
        "net/layer_0…layer_1/a",
        "net/layer_0…layer_1/b",
    }


def test_summarizing_twice_changes_nothing() -> None:
    once = synthetic_trace.footprint(synthetic_trace.Program.bert(3)).summarize()
    assert once.summarize() is once


def test_power_of_a_summary_is_energy_by_time() -> None:
    summary = synthetic_trace.footprint(synthetic_trace.Program.bert(4)).summarize()
    group = summary.top(1)[0]
    assert group.power_w == pytest.approx(group.energy_j / group.time_s)
