"""Notebooks: everything shows itself, escaped, with nothing to load and the sentence that a modelled trace owes."""

from __future__ import annotations

import html
from pathlib import Path
from typing import Any

import pytest

from smaragdine import EDD, Runs, Trace
from smaragdine.accounts.energy import MODELLED_NOTICE
from smaragdine.accounts.quantity import joules
from testbed import synthetic_trace

HOSTILE = "<script>alert(1)</script>".replace("/", "\u2215")


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return synthetic_trace.write(tmp_path_factory.mktemp("traces") / "bert")


def shown(thing: Any) -> str:
    markup: str = thing._repr_html_()
    return markup


def test_every_view_shows_its_costliest(path: Path) -> None:
    trace, runs = Trace.open(path), Runs.open(path, path)
    top = trace.footprint().top(1)[0]
    for thing in (trace.footprint(), runs.footprint()):
        assert top.name in shown(thing) and joules(top.energy_j) in shown(thing)
    assert trace.footprint().top(1, "layer")[0].name in shown(trace)
    assert "sd over 2 runs" in shown(runs)
    assert joules(trace.ledger().domain("package-0")["operations"]) in shown(trace.ledger())
    assert "4 of 20 steps traced" in shown(trace) and "4 of 20 steps traced" in shown(trace.footprint())


def test_a_diagram_is_a_figure_where_figures_are_drawn_and_a_list_elsewhere(path: Path) -> None:
    edd = Trace.open(path).edd("forward")
    bundle: dict[str, Any] = edd._repr_mimebundle_()
    assert bundle["application/vnd.plotly.v1+json"]["data"][0]["type"] == "sunburst"
    assert "encoder" in bundle["text/html"] and joules(edd.energy_j) in bundle["text/html"]
    assert bundle["text/plain"] == repr(edd)
    assert len(repr(edd).splitlines()) < 20


def test_a_modelled_trace_says_so(tmp_path: Path) -> None:
    modelled = synthetic_trace.write(tmp_path / "m", basis="modelled")
    for thing in (Trace.open(modelled), Runs.open(modelled, modelled)):
        assert html.escape(MODELLED_NOTICE) in shown(thing)


def test_no_name_becomes_markup_and_nothing_is_loaded(tmp_path: Path) -> None:
    program = synthetic_trace.Program()
    program.op(HOSTILE, HOSTILE, 1.0)
    trace = Trace.open(synthetic_trace.write(tmp_path / "t", program, name=HOSTILE))
    views = [shown(thing) for thing in (trace, Runs((trace, trace)), trace.footprint(), trace.ledger())]
    for view in [*views, trace.edd()._repr_mimebundle_()["text/html"]]:
        assert isinstance(view, str)
        assert "<script" not in view and "src=" not in view and "http" not in view


def test_what_is_empty_shows_itself() -> None:
    empty = synthetic_trace.footprint(synthetic_trace.Program())
    assert "0 of 0 operations" in shown(empty)
    assert "0 J" in str(EDD.of(empty)._repr_mimebundle_()["text/html"])
