"""The plotly.js that pages load draws every figure of this package."""

from __future__ import annotations

import json
import re
from pathlib import Path

import plotly.graph_objects as go
import pytest
from test_figures import drawn

from smaragdine import Trace, figures
from smaragdine.figures.regions import STATES, WORLD, borders
from smaragdine.figures.script import plotly_js
from testbed import synthetic_trace
from testbed.browser import chromium

LIBRARY = Path(__file__).parents[3] / "packaging" / "plotly" / "library.js"


@pytest.fixture(scope="module")
def every(tmp_path_factory: pytest.TempPathFactory) -> dict[str, go.Figure]:
    trace = Trace.open(synthetic_trace.write(tmp_path_factory.mktemp("traces") / "bert", gpu=True))
    held = {name: figure for name, figure in drawn(trace).items() if not name.startswith("inside")}
    return held | {kind: figures.regions(kind, here="US-GA", chosen=None) for kind in (STATES, WORLD)}


def test_it_was_made_of_the_traces_that_are_drawn(every: dict[str, go.Figure]) -> None:
    made_of = set(re.findall(r"plotly\.js/lib/(\w+)", LIBRARY.read_text())) - {"core"} | {"scatter"}
    assert {line.type for figure in every.values() for line in figure.data} == made_of


@pytest.mark.browser
def test_it_draws_them_without_a_network(every: dict[str, go.Figure]) -> None:
    with chromium() as browser:
        page = browser.new_page()
        asked: list[str] = []

        def answer(route: object) -> None:
            name = route.request.url.rpartition("/")[2]  # type: ignore[attr-defined]
            asked.append(name)
            route.fulfill(body=borders(name) or b"<!doctype html><div id='figure'></div>", content_type=(  # type: ignore[attr-defined]
                "application/json" if borders(name) else "text/html"))  # fmt: skip

        page.route("**/*", answer)
        page.goto("http://page.test/")
        page.add_script_tag(content=plotly_js())
        for name, figure in every.items():
            page.evaluate(
                "figure => Plotly.newPlot('figure', figure.data, figure.layout, { topojsonURL: 'http://page.test/' })",
                json.loads(figure.to_json()),
            )
            kinds = page.evaluate("document.getElementById('figure')._fullData.map((line) => line.type)")
            assert kinds == [line.type for line in figure.data], name
            shapes = page.locator("#figure .main-svg :is(path, rect, text, image)").count()
            assert shapes > 5, name
        # No trace of a kind that it does not know, which it would take for another.
        assert asked == ["", "usa_110m.json", "world_110m.json"]
        page.close()
