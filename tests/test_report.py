"""The report: its data, its escaping, and the page as a browser without a network shows it."""

from __future__ import annotations

import html
import json
import os
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pytest

import synthetic_trace
from smaragdine import EDD, Runs, SmaragdineError, report
from smaragdine.energy import MODELLED_NOTICE
from smaragdine.report.view import MOST_LEVELS, View, thinned

CHROMIUM = Path("/usr/bin/chromium")
HOSTILE = "<script>window.harmed = true</script>"


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return synthetic_trace.write(tmp_path_factory.mktemp("traces") / "bert")


@pytest.fixture(scope="module")
def content(bert: Path) -> report.Content:
    return report.Content.of(Runs.open(bert))


def test_the_report_tells_measured_from_modelled(content: report.Content, tmp_path: Path) -> None:
    assert content.notice is None
    modelled = report.Content.of(Runs.open(synthetic_trace.write(tmp_path / "m", basis="modelled")))
    assert modelled.notice == MODELLED_NOTICE
    page = report.render(modelled)
    assert html.escape(MODELLED_NOTICE).replace("`smaragdine doctor`", "<code>smaragdine doctor</code>") in page
    assert page.count("(modelled)") > 5
    assert "stpf" not in modelled.figures  # watts per operation mean nothing there


def test_both_bases_are_told_apart(tmp_path: Path) -> None:
    trace = synthetic_trace.write(tmp_path / "mixed", basis="modelled", gpu=True)
    content = report.Content.of(Runs.open(trace))
    assert set(content.basis.split(" and ")) == {"measured", "modelled"}
    assert "modelled are not in this picture" in content.views[0].caption
    assert {row[2] for row in content.totals.rows} == {"measured", "modelled"}


def test_the_views_hold_the_operations_energy(content: report.Content, bert: Path) -> None:
    total = Runs.open(bert).traces[0].ledger().entry("operations").measured_j
    assert [view.label for view in content.views] == ["all passes, by layer", "forward pass", "backward pass"]
    assert sum(content.views[0].sunburst["data"][0]["values"]) == pytest.approx(total)


def test_every_layer_has_its_level_with_shares_of_one(content: report.Content) -> None:
    for view in content.views:
        data = view.sunburst["data"][0]
        assert set(view.levels) == set(data["parents"]) - {""}
        for level in view.levels.values():
            assert sum(box["share"] for box in level["boxes"]) == pytest.approx(1, abs=1e-3)
            assert {box["id"] for box in level["boxes"]} <= {*data["ids"], None}


def test_a_large_program_makes_a_page_of_bounded_size() -> None:
    program = synthetic_trace.Program()
    for i in range(10_000):
        program.op(f"net/block_{i % 40}/part_{i % 1000}/layer_{i % 2000}", f"op_{i}", 1.0 + i % 7)
    edd = EDD.of(synthetic_trace.footprint(program))
    view = View.of(edd, "all")
    assert len(view.levels) == MOST_LEVELS
    assert len(json.dumps([view.sunburst, view.levels], default=str)) < 8_000_000
    assert sum(view.sunburst["data"][0]["values"]) == pytest.approx(edd.energy_j)


def test_thinning_keeps_the_sums() -> None:
    edd = EDD.of(synthetic_trace.footprint(synthetic_trace.Program.bert(6)))
    energy_j = edd.energy_j
    thin = thinned(edd, 50)
    assert sum(1 for _ in thin.walk()) <= 50
    assert sum(box.energy_j for box in thin.walk() if box.is_tensor) == pytest.approx(energy_j)


def test_several_traces_are_told_with_their_deviation(bert: Path, tmp_path: Path) -> None:
    other = synthetic_trace.write(tmp_path / "other", name="other", speed=1.2)
    content = report.Content.of(Runs.open(bert, other))
    assert content.runs is not None
    assert [row[0] for row in content.runs.rows] == ["bert", "other"]
    assert content.layers.headers[2] == "sd over 2 runs"
    assert [recording.name for recording in content.recordings] == ["bert", "other"]


def test_the_page_names_nothing_to_load(content: report.Content) -> None:
    page = report.render(content)
    assert not re.search(r"<(script|img|iframe)[^>]*\ssrc=|<link[^>]*href=\"(?!data:)", page)
    assert "@import" not in page
    assert page.count("plotly.js v") == 1


def test_no_name_breaks_out_of_the_page(content: report.Content) -> None:
    page = report.render(replace(content, title=HOSTILE, coverage="</p>" + HOSTILE))
    assert HOSTILE not in page


def test_a_trace_without_readings_has_no_report(bert: Path, tmp_path: Path) -> None:
    for file in bert.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    readings = tmp_path / "readings.parquet"
    with duckdb.connect() as connection:
        connection.read_parquet(str(readings)).to_table("t")
        connection.sql("from t where false").write_parquet(str(readings))
    with pytest.raises(SmaragdineError) as caught:
        report.write(Runs.open(tmp_path), tmp_path / "report.html")
    assert caught.value.exit_code == 3


def test_a_file_that_cannot_be_written_is_named(bert: Path, tmp_path: Path) -> None:
    with pytest.raises(SmaragdineError, match="no/such/place"):
        report.write(Runs.open(bert), tmp_path / "no/such/place/report.html")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if not CHROMIUM.exists():
        if os.environ.get("SMARAGDINE_REQUIRE_BROWSER") == "1":
            pytest.fail(f"{CHROMIUM} is missing and SMARAGDINE_REQUIRE_BROWSER=1")
        pytest.skip(f"{CHROMIUM} is missing")
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield chromium
        chromium.close()


class Opened:
    """A page with every request but its own file refused and written down, and every error it raised."""

    def __init__(self, browser: Any, file: Path) -> None:
        self.outside: list[str] = []
        self.errors: list[str] = []
        self.page = browser.new_page(viewport={"width": 1280, "height": 1000})
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.route(lambda url: not url.startswith(("file:", "data:", "blob:")), self._refuse)
        self.page.goto(file.as_uri())
        self.page.wait_for_selector("html[data-ready]", timeout=60_000)

    def _refuse(self, route: Any) -> None:
        self.outside.append(route.request.url)
        route.abort()

    def crumbs(self) -> list[str]:
        return [text.strip() for text in self.page.locator("#crumbs button").all_inner_texts()]


@pytest.fixture(scope="module")
def opened(browser: Any, bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Opened:
    return Opened(browser, report.write(Runs.open(bert), tmp_path_factory.mktemp("report") / "report.html"))


@pytest.mark.browser
def test_the_page_opens_without_a_network_and_draws_all(opened: Opened) -> None:
    assert opened.page.locator("#sunburst .slice").count() > 10
    assert opened.page.locator("#level svg rect").count() > 3
    for figure in ("stef", "stpf", "power-0", "steps-0"):
        assert opened.page.locator(f"[data-figure='{figure}'] .main-svg").count() > 0
    assert opened.outside == []
    assert opened.errors == []


@pytest.mark.browser
def test_a_click_on_a_slice_opens_its_level(opened: Opened) -> None:
    opened.page.locator("#sunburst .slice", has_text="layer_2").first.click()
    opened.page.wait_for_function("document.querySelector('#crumbs').innerText.includes('layer_2')")
    assert opened.crumbs()[1:] == ["bert", "encoder", "layer_2"]
    boxes = opened.page.locator("#level g[role=button] text:first-of-type").all_text_contents()
    assert boxes == ["attention", "intermediate", "output"]
    opened.page.locator("#level g[role=button]", has_text="attention").click()
    assert opened.crumbs()[-1] == "attention"
    opened.page.locator("#crumbs button", has_text="encoder").click()
    assert opened.crumbs()[-1] == "encoder"
    assert opened.errors == []


@pytest.mark.browser
def test_a_pass_has_its_own_picture(opened: Opened) -> None:
    opened.page.get_by_role("tab", name="backward pass").click()
    opened.page.wait_for_function("document.querySelector('#crumbs').innerText.includes('gradients')")
    assert opened.errors == []


@pytest.mark.browser
def test_a_layer_named_as_a_script_is_harmless(browser: Any, tmp_path: Path) -> None:
    program = synthetic_trace.Program()
    for layer in ("<b>a", "<img src=x onerror='window.harmed=true'>", HOSTILE.replace("/", "\u2215")):
        program.op(f"net/{layer}", HOSTILE.replace("/", "\u2215"), 1.0)
    trace = synthetic_trace.write(tmp_path / "t", program, name=HOSTILE, overrides={"host": {HOSTILE: HOSTILE}})
    opened = Opened(browser, report.write(Runs.open(trace), tmp_path / "report.html"))
    for box in opened.page.locator("#level g[role=button]").all():
        box.hover()
    opened.page.locator("#level g[role=button]").first.click()
    assert opened.page.evaluate("window.harmed === undefined")
    assert opened.page.locator("h1").inner_text().startswith("<script>")
    assert opened.outside == []
    assert opened.errors == []
