"""Views of a recorded trace: the fixture that tests of figures and reports share."""

from __future__ import annotations

from pathlib import Path

import pytest

from smaragdine import Trace, figures

DEMO = Path(__file__).parents[2] / "fixtures" / "traces" / "demo"
# What a layer may be called that is not the model's own.
SERVING = {"optimizer", "loss", "metrics"}


@pytest.fixture(scope="module")
def trace() -> Trace:
    return Trace.open(DEMO)


def value(trace: Trace, query: str) -> float:
    found: float = trace.sql(query).fetchall()[0][0]
    return found


def test_the_ledger_closes_over_every_counted_register(trace: Trace) -> None:
    for domain in ("package-0", "dram-0"):
        readings_j = value(trace, f"select sum(energy_j) from readings where domain = '{domain}'")
        ledger_j = value(trace, f"select sum(energy_j) from ledger where domain = '{domain}'")
        operations_j = value(trace, f"select energy_j from ledger where domain = '{domain}' and entry = 'operations'")
        rows_j = value(trace, f"select sum(energy_j) from footprint_domains where domain = '{domain}'")
        assert ledger_j == pytest.approx(readings_j, rel=1e-9)
        assert rows_j == pytest.approx(operations_j, rel=1e-9)


def test_nearly_all_operation_time_has_a_layer_of_the_model_the_optimizer_the_loss_or_the_metrics(trace: Trace) -> None:
    time_s = dict(trace.sql("select layer, sum(time_s) from footprint join ops using (op) group by layer").fetchall())
    named_s = sum(seconds for layer, seconds in time_s.items() if layer in SERVING or layer.split("/")[0] == "bert")
    assert named_s >= 0.95 * sum(time_s.values())


def test_the_passes_are_told_apart(trace: Trace) -> None:
    rows = trace.sql("select phase, sum(time_s) from footprint join ops using (op) group by phase").fetchall()
    time_s = dict(rows)
    assert time_s["backward"] > time_s["forward"] > time_s["optimizer"] > 0


def test_tensors_bear_the_names_that_the_paper_gives_them(trace: Trace) -> None:
    names = {row[0] for row in trace.sql("select qtn from ops").fetchall()}
    for layer in range(4):
        assert f"bert/encoder/layer_{layer}/attention/self/query/MatMul" in names
        assert f"bert/encoder/layer_{layer}/output/dense/MatMul" in names
        assert f"gradients/bert/encoder/layer_{layer}/output/dense/MatMul/MatMul_1" in names


def test_the_diagram_holds_the_energy_of_all_operations_and_shows_the_flow_of_data(trace: Trace) -> None:
    edd = trace.edd(phase="forward")
    layer = edd.find("bert/encoder/layer_0")
    assert [child.name for child in layer.children if not child.is_tensor] != []
    assert layer.arrows
    everything = trace.edd()
    assert everything.energy_j == pytest.approx(sum(row.energy_j for row in trace.footprint().rows), rel=1e-9)


def test_self_similar_transformers_fold_into_one(trace: Trace) -> None:
    names = {group.name for group in trace.footprint().summarize().top(200, "op")}
    assert "bert/encoder/transformer/output/dense/MatMul" in names
    assert not any("layer_0" in name for name in names)


def test_every_figure_draws_the_recorded_trace(trace: Trace) -> None:
    footprint = trace.footprint()
    for figure in (
        figures.sunburst(trace.edd()),
        figures.distribution(trace.edd(phase="forward"), "bert/encoder/layer_0"),
        figures.ranking(footprint, kind="tef"),
        figures.ranking(footprint, kind="stef"),
        figures.ranking(footprint, kind="stpf"),
        figures.power(trace),
    ):
        assert figure.to_dict()["data"] or figure.to_dict()["layout"]["shapes"]
