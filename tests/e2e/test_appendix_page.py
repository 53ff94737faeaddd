"""An appendix of twelve runs in three groups, built by the command, as a reader without a network walks it."""

from __future__ import annotations

import csv
import math
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from smaragdine import Trace
from testbed import search, synthetic_trace
from testbed.browser import Opened, chromium

HOSTILE = "<script>window.harmed = true</script>"

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return search.write(tmp_path_factory.mktemp("runs"), synthetic_trace.Program.bert(1))


def build(directory: Path, *arguments: object) -> Path:
    line = [sys.executable, "-m", "smaragdine", "appendix", *map(str, arguments), "-o", str(directory)]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{directory / 'index.html'}\n"
    return directory


@pytest.fixture(scope="module")
def site(runs: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("site") / "site", *runs, "--group", "lr", "--region", "US-CA")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def opened(browser: Any, site: Path) -> Opened:
    return Opened(browser, site / "index.html")


def cells(opened: Opened, section: str) -> list[list[str]]:
    rows = opened.page.locator(f"#{section} table").first.locator("tbody tr")
    return [[cell.strip() for cell in row.locator("td").all_inner_texts()] for row in rows.all()]


def energies(runs: list[Path]) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    for path in runs:
        trace = Trace.open(path)
        found.setdefault(f"lr {trace.metadata.labels['lr']}", []).append(trace.statement().energy_kwh or 0.0)
    return found


def test_three_groups_have_numpys_means_and_standard_errors(opened: Opened, site: Path, runs: list[Path]) -> None:
    expected = energies(runs)
    assert [row[0] for row in cells(opened, "groups")] == ["lr 0.001", "lr 0.01", "lr 0.1"]
    header = opened.page.locator("#groups th").all_inner_texts()
    column = header.index("energy × PUE, mWh")
    with (site / "data" / "groups.csv").open(newline="") as file:
        told = list(csv.DictReader(file))
    for row, full in zip(cells(opened, "groups"), told, strict=True):
        values = np.array(expected[row[0]])
        mean, error = values.mean(), values.std(ddof=1) / math.sqrt(len(values))
        assert float(full["energy_kwh_mean"]) == pytest.approx(mean, rel=1e-12)
        assert float(full["energy_kwh_se"]) == pytest.approx(error, rel=1e-9)
        shown_mean, shown_error = (float(part) for part in row[column].split(" ± "))
        assert shown_mean == pytest.approx(1e6 * mean, abs=0.051 * 1e6 * error)
        assert shown_error == pytest.approx(1e6 * error, rel=0.05)


def test_every_figure_is_drawn_and_nothing_is_asked_of_the_network(opened: Opened) -> None:
    figures = opened.page.locator("[data-figure]")
    assert figures.count() == 4
    assert opened.page.locator("[data-figure] .main-svg").count() >= figures.count()
    assert opened.outside == []
    assert opened.errors == []


def test_a_reader_goes_to_a_run_and_back(opened: Opened, runs: list[Path]) -> None:
    page = opened.page
    names = page.locator("#runs tbody a").all_inner_texts()
    assert len(names) == 12
    page.locator("#runs tbody a", has_text="lr0.01-seed2").click()
    page.wait_for_selector("html[data-ready]", timeout=60_000)
    assert page.locator("h1").inner_text() == "bert-small (lr0.01-seed2)"
    kwh = Trace.open(next(path for path in runs if path.name == "lr0.01-seed2")).statement().energy_kwh or 0.0
    assert f"{float(f'{kwh:.3g}'):.7f}"[:9] in page.locator(".headline").inner_text()
    assert "California (US-CA)" in page.locator("#statement").inner_text()
    for figure in ("power", "cumulative", "steps", "metric-0", "metric-1"):
        assert page.locator(f"[data-figure='{figure}'] .main-svg").count() > 0
    with page.expect_download() as caught:
        page.locator("#downloads a", has_text="steps.csv").click()
    assert caught.value.suggested_filename == "steps.csv"
    page.locator(".brand a").click()
    page.wait_for_selector("#groups")
    assert opened.outside == []
    assert opened.errors == []


def test_what_chance_does_is_told_in_words(opened: Opened) -> None:
    verdicts = [row[-1] for row in cells(opened, "differences")]
    assert verdicts[0].startswith("cannot be told apart (p = ")
    assert all(verdict.startswith("differ beyond chance (p ") for verdict in verdicts[1:])
    assert "corrected for 3 comparisons by Holm" in opened.page.locator("#differences").inner_text()


def test_a_click_on_a_header_sorts_by_it_and_another_turns_it(opened: Opened) -> None:
    header = opened.page.locator("#runs th", has_text="energy")
    column = opened.page.locator("#runs th").all_inner_texts().index(header.inner_text())
    for turned in (False, True):
        header.click()
        values = [float(row[column]) for row in cells(opened, "runs")]
        assert values == sorted(values, reverse=turned)


def test_it_fits_a_narrow_window_and_dark_paper(browser: Any, site: Path) -> None:
    page = browser.new_page(color_scheme="dark", viewport={"width": 700, "height": 900})
    page.goto((site / "index.html").as_uri())
    page.wait_for_selector("html[data-ready]", timeout=60_000)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(15, 21, 19)"
    page.close()


def test_a_second_build_over_the_first_changes_no_byte(site: Path, runs: list[Path]) -> None:
    before = {path: path.read_bytes() for path in site.rglob("*") if path.is_file()}
    build(site, *runs, "--group", "lr", "--region", "US-CA")
    assert {path: path.read_bytes() for path in site.rglob("*") if path.is_file()} == before


def test_hostile_names_are_harmless(browser: Any, tmp_path: Path) -> None:
    name = HOSTILE.replace("/", "\u2215")
    program = synthetic_trace.Program()
    program.op(f"net/{name}", name, 1.0)
    paths = [
        synthetic_trace.write(
            tmp_path / letter, program, name=HOSTILE, power=power,
            logged=[{name: 1.0, "<img src=x onerror=harmed()>": 2.0}] * 20,
            overrides={"labels": {"lr": f"{HOSTILE}{letter}"}, "warnings": [HOSTILE]},
        )
        for letter, power in (("a", 1.0), ("b", 1.2))
    ]  # fmt: skip
    opened = Opened(browser, build(tmp_path / "site", *paths, "--group", "lr", "--title", HOSTILE) / "index.html")
    opened.page.locator("[data-figure] .main-svg").first.hover()
    opened.page.locator("#runs tbody a").first.click()
    opened.page.wait_for_selector("html[data-ready]", timeout=60_000)
    assert opened.page.evaluate("window.harmed === undefined")
    assert opened.page.locator("h1").inner_text().startswith("<script>")
    assert opened.outside == []
    assert opened.errors == []


def test_the_leaderboards_page_draws_without_a_network(browser: Any, runs: list[Path], tmp_path: Path) -> None:
    page = tmp_path / "board.html"
    line = [
        sys.executable,
        "-m",
        "smaragdine",
        "leaderboard",
        *map(str, runs),
        "--metric",
        "accuracy",
        "--format",
        "html",
    ]
    subprocess.run([*line, "-o", str(page)], check=True, capture_output=True)
    opened = Opened(browser, page)
    assert opened.page.locator("#leaderboard .main-svg").count() > 0
    assert opened.page.locator("tbody tr").count() == 12
    assert opened.outside == []
    assert opened.errors == []
