"""The EDD: a tree whose sums are the footprint's, with the dataflow of each level."""

from __future__ import annotations

import statistics
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_footprint import NO_COVERAGE, footprints

from smaragdine import EDD, Footprint, Runs, SmaragdineError, Trace
from smaragdine.accounts.edd import OpName
from smaragdine.accounts.row import FootprintRow
from testbed import synthetic_trace


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> Trace:
    return Trace.open(synthetic_trace.write(tmp_path_factory.mktemp("traces") / "bert"))


@given(footprints, st.sampled_from([None, "forward", "backward"]), st.sampled_from([None, "measured", "modelled"]))
def test_every_box_holds_exactly_what_is_inside(footprint: Footprint, phase: str | None, basis: str | None) -> None:
    edd = EDD.of(footprint, phase, basis=basis)
    shown = footprint if phase is None else footprint.phase(phase)
    assert edd.energy_j == pytest.approx(shown.total[edd.basis], rel=1e-9, abs=1e-12)
    assert edd.left_out_j + edd.energy_j == pytest.approx(sum(row.energy_j for row in shown), rel=1e-9, abs=1e-12)
    for box in edd.walk():
        if box.children:
            assert sum(child.energy_j for child in box) == pytest.approx(box.energy_j, rel=1e-9, abs=1e-12)
            assert sum(child.count for child in box) == box.count
            assert sum(child.share for child in box) == pytest.approx(1 if box.energy_j > 0 else 0)
        assert box.is_tensor == (not box.children) or box is edd


def test_the_whole_is_the_footprint_and_the_ledgers_operations(trace: Trace) -> None:
    assert trace.edd().energy_j == pytest.approx(trace.footprint().total.measured_j, rel=1e-9)
    assert trace.edd().energy_j == pytest.approx(trace.ledger().entry("operations").measured_j, rel=1e-9)


def test_passes_add_up_to_the_whole(trace: Trace) -> None:
    parts = sum(trace.edd(phase).energy_j for phase in ("forward", "backward", "optimizer", "other"))
    assert parts == pytest.approx(trace.edd().energy_j, rel=1e-9)


def test_one_pass_follows_the_qualified_names(trace: Trace) -> None:
    layer = trace.edd("forward").find("bert/encoder/layer_0")
    assert [child.name for child in layer] == ["attention", "intermediate", "output"]
    assert trace.edd("backward").find("gradients/bert/encoder/layer_0").phase == "backward"


def test_all_passes_stand_under_their_layer(trace: Trace) -> None:
    edd = trace.edd()
    names = [child.name for child in edd]
    assert names == ["bert", "data", "loss", "metrics", "optimizer", "runtime", "unknown"]
    layer = edd.find("bert/encoder/layer_0")
    assert set(layer.phases) == {"forward", "backward"}
    passes = [trace.edd("forward").find("bert/encoder/layer_0"), trace.edd("backward").find(f"gradients/{layer.path}")]
    assert layer.energy_j == pytest.approx(sum(box.energy_j for box in passes))


def test_a_tensor_and_its_gradient_stay_two_boxes(trace: Trace) -> None:
    dense = trace.edd().find("bert/encoder/layer_0/output/dense")
    products = [(box.name, box.phase) for box in dense if box.name.startswith("MatMul")]
    assert products == [("MatMul", "backward"), ("MatMul", "forward"), ("MatMul_1", "backward")]


def test_layers_come_in_the_order_of_their_numbers() -> None:
    program = synthetic_trace.Program()
    for i in (10, 9, 2):
        program.op(f"bert/layer_{i}", "MatMul", 1.0)
    assert [box.name for box in edd_of(program).children[0]] == ["layer_2", "layer_9", "layer_10"]


def test_a_name_that_is_both_layer_and_tensor_keeps_both() -> None:
    program = synthetic_trace.Program()
    program.op("bert", "MatMul", 1.0)
    program.op("bert/MatMul", "ReadVariableOp", 2.0)
    bert = edd_of(program).find("bert")
    assert sorted((box.name, box.is_tensor, box.energy_j) for box in bert) == [
        ("MatMul", False, 2.0),
        ("MatMul", True, 1.0),
    ]


def test_an_edge_becomes_an_arrow_where_its_ends_part(trace: Trace) -> None:
    edd = trace.edd("forward")
    assert arrows(edd.find("bert/encoder")) == {("layer_0", "layer_1"), ("layer_1", "layer_2"), ("layer_2", "layer_3")}
    assert arrows(edd.find("bert/encoder/layer_0")) == {
        ("attention", "intermediate"),
        ("attention", "output"),
        ("intermediate", "output"),
    }
    assert ("Softmax", "dropout") in arrows(edd.find("bert/encoder/layer_0/attention/self"))


def test_the_backward_pass_flows_back(trace: Trace) -> None:
    encoder = trace.edd("backward").find("gradients/bert/encoder")
    assert ("layer_3", "layer_2") in arrows(encoder)
    assert ("layer_2", "layer_3") not in arrows(encoder)


def test_a_diagram_of_all_passes_has_the_forward_flow(trace: Trace) -> None:
    assert arrows(trace.edd()) == {("data", "bert"), ("bert", "loss"), ("bert", "metrics"), ("bert", "optimizer")}
    assert ("layer_1", "layer_0") not in arrows(trace.edd().find("bert/encoder"))


def test_an_arrow_counts_the_edges_it_stands_for(trace: Trace) -> None:
    counts = {(a.source.name, a.target.name): a.count for a in trace.edd("forward").find("bert/encoder").arrows}
    assert counts["layer_0", "layer_1"] == 4  # query, key, value and the residual


def test_arrows_pass_operations_without_energy() -> None:
    """As those that the profiler hid: an arrow leads to what reads their result."""
    qtns = ["net/a/MatMul", "net/a/Reshape", "net/b/Reshape", "net/b/MatMul", "net/c/MatMul"]
    ops = [OpName(op, qtn, qtn.rpartition("/")[0], "forward") for op, qtn in enumerate(qtns)]
    rows = [
        FootprintRow(op.op, op.qtn, op.layer, "MatMul", "forward", "CPU:0", "measured", 1.0, None, None, 1.0, 1)
        for op in ops
        if op.qtn.endswith("MatMul")
    ]
    footprint = Footprint(tuple(rows), "equal", NO_COVERAGE)
    edd = EDD.of(footprint, "forward", ops=ops, edges=[(0, 1), (1, 2), (2, 3), (1, 4), (4, 2)])
    assert arrows(edd.find("net")) == {("a", "b"), ("a", "c"), ("c", "b")}


def test_arrows_of_one_pass_never_lead_through_another() -> None:
    ops = [
        OpName(op, qtn, "net", phase)
        for op, (qtn, phase) in enumerate(
            [("gradients/net/a", "backward"), ("net/b", "forward"), ("gradients/net/c", "backward")]
        )
    ]
    rows = [
        FootprintRow(op.op, op.qtn, op.layer, "Op", op.phase, "CPU:0", "measured", 1.0, None, None, 1.0, 1)
        for op in ops
    ]
    footprint = Footprint(tuple(rows), "equal", NO_COVERAGE)
    edd = EDD.of(footprint, "backward", ops=ops, edges=[(0, 1), (1, 2)])
    assert [box for box in edd.walk() if box.arrows] == []


def test_a_trace_without_a_graph_has_no_arrows() -> None:
    edd = edd_of(synthetic_trace.Program.bert(1))
    assert all(not box.arrows for box in edd.walk())


def test_a_layer_that_is_not_there_is_named_with_the_nearest(trace: Trace) -> None:
    with pytest.raises(SmaragdineError) as caught:
        trace.edd("forward").find("bert/encoder/layer0")
    assert "'bert/encoder/layer_" in (caught.value.hint or "")


def test_a_name_of_absurd_depth_is_kept_whole() -> None:
    program = synthetic_trace.Program()
    program.op("/".join(["deep"] * 5000), "MatMul", 1.0)
    edd = edd_of(program)
    assert edd.energy_j == 1.0
    assert sum(1 for _ in edd.walk()) < 200


def test_several_runs_have_a_mean_and_a_deviation(tmp_path: Path) -> None:
    runs = Runs.open(*(synthetic_trace.write(tmp_path / str(speed), speed=speed) for speed in (1.0, 1.1, 1.3)))
    diagrams = [trace.edd("forward") for trace in runs]
    edd = runs.edd("forward")
    for path in ("", "bert/encoder", "bert/encoder/layer_0/output/dense"):
        energies = [one.find(path).energy_j if path else one.energy_j for one in diagrams]
        box = edd.find(path) if path else edd
        assert box.runs == 3
        assert box.energy_j == pytest.approx(statistics.fmean(energies))
        assert box.energy_sd_j == pytest.approx(statistics.stdev(energies))
    assert all(box.energy_sd_j is None and box.runs == 1 for box in diagrams[0].walk())


def test_a_layers_interval_is_the_sum_of_its_tensors_bounds(trace: Trace) -> None:
    for box in trace.edd().walk():
        assert box.energy_low_j == pytest.approx(0.95 * box.energy_j)
        assert box.energy_high_j == pytest.approx(1.05 * box.energy_j)


def test_an_unknown_bound_makes_the_bounds_of_what_holds_it_unknown() -> None:
    assert all(box.energy_low_j is box.energy_high_j is None for box in edd_of(synthetic_trace.Program.bert(1)).walk())


def test_a_folded_diagram_has_the_summarys_layers_and_keeps_their_joules_and_arrows(trace: Trace) -> None:
    folded, whole = trace.edd("forward", folded=True), trace.edd("forward")
    encoder = folded.find("bert/encoder")
    assert [box.name for box in encoder] == ["transformer"]
    assert encoder.energy_j == pytest.approx(whole.find("bert/encoder").energy_j)
    assert ("attention", "intermediate") in arrows(folded.find("bert/encoder/transformer"))


def test_operations_of_the_optimizer_stand_in_the_layer_they_serve() -> None:
    program = synthetic_trace.Program()
    program.op("bert/dense", "MatMul", 1.0)
    served = program.op("bert/dense", "kernel/AssignSub", 2.0, phase="optimizer")
    program.ops[served].qtn = "optimizer/bert/dense/kernel/AssignSub"
    program.op("optimizer", "AssignAddVariableOp", 3.0, phase="optimizer")
    edd = edd_of(program)
    dense = edd.find("bert/dense")
    assert dense.energy_j == 3.0
    assert dense.find("bert/dense/kernel").phase == "optimizer"
    assert edd.find("optimizer").energy_j == 3.0


@pytest.mark.parametrize("word", ["optimizer", "loss", "gradients"])
def test_a_model_that_is_called_as_a_word_of_ours_stands_beside_the_word(word: str) -> None:
    names = [
        (f"{word}/first/MatMul", f"{word}/first", "forward"),
        (f"gradients/{word}/first/MatMul/MatMul", f"{word}/first", "backward"),
        (f"optimizer/{word}/first/kernel/Sub", f"{word}/first", "optimizer"),
        ("optimizer/Add", "optimizer", "optimizer"),
        ("loss/mse/Sub", "loss", "forward"),
    ]
    rows = [
        FootprintRow(op, qtn, layer, "Op", phase, "CPU:0", "measured", 1.0, None, None, 1.0, 1)
        for op, (qtn, layer, phase) in enumerate(names)
    ]
    edd = EDD.of(Footprint(tuple(rows), "equal", NO_COVERAGE))
    model = next(box for box in edd if any(child.name == "first" for child in box))
    assert (model.name, model.energy_j) == (word, 3.0)
    assert {box.name for box in model} == {"first"}
    assert sorted(box.energy_j for box in edd if box is not model) == [1.0, 1.0]


def test_one_basis_is_shown_and_the_other_told(tmp_path: Path) -> None:
    trace = Trace.open(synthetic_trace.write(tmp_path / "mixed", basis="modelled", gpu=True))
    total = trace.footprint().total
    edd = trace.edd()
    assert (edd.basis, edd.energy_j) == ("measured", pytest.approx(total.measured_j))
    assert edd.left_out_j == pytest.approx(total.modelled_j)
    assert trace.edd(basis="modelled").energy_j == pytest.approx(total.modelled_j)


def arrows(box: EDD) -> set[tuple[str, str]]:
    return {(arrow.source.name, arrow.target.name) for arrow in box.arrows}


def edd_of(program: synthetic_trace.Program) -> EDD:
    """A joule for each millisecond."""
    return EDD.of(synthetic_trace.footprint(program))
