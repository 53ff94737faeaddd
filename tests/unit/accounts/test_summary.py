"""Summaries: which layers fold into one, and that no joule is lost when they do."""

from __future__ import annotations

import pytest
from hypothesis import given
from test_footprint import footprints

from smaragdine import Footprint, SmaragdineError
from smaragdine.accounts.summary import Summary
from testbed import synthetic_trace


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


def test_the_layers_of_albert_fold_though_its_scope_is_entered_again_and_again() -> None:
    groups = [f"bert/encoder/transformer/group_0{'' if i == 0 else f'_{i}'}/layer_{i}" for i in range(12)]
    names = folded(*(f"{group}/inner_group_0/{tensor}" for group in groups for tensor in ("self/Einsum", "ffn/Einsum")))
    assert set(names) == {
        f"bert/encoder/transformer/group_0_k/transformer/inner_group_0/{tensor}"
        for tensor in ("self/Einsum", "ffn/Einsum")
    }


def test_users_own_patterns_fold_layers_of_different_structure() -> None:
    qtns = {"net/stem_a/Conv2D": "net/stem_a", "net/stem_b/MatMul": "net/stem_b", "net/head/MatMul": "net/head"}
    summary = Summary.of(qtns.items(), {"net/stem_?": "stem"})
    assert set(summary.names.values()) == {"net/stem/Conv2D", "net/stem/MatMul", "net/head/MatMul"}
    assert summary.folds["net/stem"] == ("net/stem_a", "net/stem_b")


def test_a_pattern_folds_every_pass_of_a_layer_alike() -> None:
    layers = ("net/a", "net/b")
    operations = [(f"{prefix}{layer}/{tensor}", layer) for layer in layers for prefix, tensor in
                  (("", "MatMul"), ("gradients/", "MatMul_1"), ("optimizer/", "kernel/AssignSub"))]  # fmt: skip
    assert set(Summary.of(operations, {"net/*": "block"}).names.values()) == {
        "net/block/MatMul",
        "gradients/net/block/MatMul_1",
        "optimizer/net/block/kernel/AssignSub",
    }


def test_a_pattern_matches_whole_paths_of_layers_alone() -> None:
    operations = [("net/a/sub/MatMul", "net/a/sub"), ("net/b/sub/MatMul", "net/b/sub"), ("net/scope/x/Mul", "net")]
    names = Summary.of(operations, {"net/*": "block", "sub": "wrong"}).names
    assert names["net/a/sub/MatMul"] == names["net/b/sub/MatMul"] == "net/block/sub/MatMul"
    assert names["net/scope/x/Mul"] == "net/scope/x/Mul"


def test_optimizer_operations_fold_with_the_layers_they_serve() -> None:
    operations = [(f"optimizer/enc/layer_{i}/dense/kernel/AssignSub", f"enc/layer_{i}/dense") for i in range(3)]
    assert set(Summary.of(operations).names.values()) == {"optimizer/enc/transformer/dense/kernel/AssignSub"}


@given(footprints)
def test_every_fold_can_be_unfolded(footprint: Footprint) -> None:
    summary = footprint.summarize()
    for row in summary:
        behind = summary.unfold(row.qtn)
        assert not behind.summarized
        same = [other for other in summary if other.qtn == row.qtn or other.qtn.startswith(f"{row.qtn}/")]
        assert sum(one.count for one in behind) == sum(one.count for one in same)
    if footprint.rows:
        assert {row.qtn for row in footprint} == {
            one.qtn for name in {row.qtn for row in summary} for one in summary.unfold(name)
        }


def test_a_folded_layer_unfolds_into_the_operations_of_all_it_stands_for() -> None:
    summary = synthetic_trace.footprint(synthetic_trace.Program.bert(3)).summarize()
    behind = summary.unfold("bert/encoder/transformer/output/dense/MatMul")
    assert [row.qtn for row in behind] == [f"bert/encoder/layer_{i}/output/dense/MatMul" for i in range(3)]
    assert len(summary.unfold("bert/encoder/transformer")) > 3 * 20


def test_what_is_not_in_the_summary_cannot_be_unfolded() -> None:
    footprint = synthetic_trace.footprint(synthetic_trace.Program.bert(2))
    with pytest.raises(SmaragdineError, match="summarize"):
        footprint.unfold("bert")
    with pytest.raises(SmaragdineError) as caught:
        footprint.summarize().unfold("bert/encoder/transformr")
    assert caught.value.hint == "did you mean 'bert/encoder/transformer'?"


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


def test_what_folds_keeps_the_joules_of_each_pass() -> None:
    program = synthetic_trace.Program()
    for i, phase in enumerate(["forward", "other", "forward", "optimizer"]):
        program.ops.append(synthetic_trace.Op(f"net/layer_{i}/MatMul", f"net/layer_{i}", "MatMul", phase, 1.0 + i))
    footprint = synthetic_trace.footprint(program)
    passes = {group.name: group.energy_j for group in footprint.by("phase")}
    assert {group.name: group.energy_j for group in footprint.summarize().by("phase")} == passes
    assert [row.qtn for row in footprint.summarize()] == ["net/transformer/MatMul"] * 3
