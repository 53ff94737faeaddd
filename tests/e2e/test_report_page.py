"""The report as a reader without a network uses it: opens it, goes down to a tensor and back, switches, hovers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from smaragdine import Runs, report
from smaragdine.accounts.quantity import joules
from testbed import synthetic_trace
from testbed.browser import Opened, chromium
from testbed.sealed import seal_trace

HOSTILE = "<script>window.harmed = true</script>"

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return synthetic_trace.write(tmp_path_factory.mktemp("traces") / "bert")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def opened(browser: Any, bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Opened:
    return Opened(browser, report.write(Runs.open(bert), tmp_path_factory.mktemp("report") / "report.html"))


def test_the_page_opens_without_a_network_and_draws_all(opened: Opened) -> None:
    assert opened.page.locator("#sunburst .slice").count() > 10
    assert opened.page.locator("#level svg rect").count() > 3
    for figure in ("stef", "stpf", "power-0", "steps-0"):
        assert opened.figure(figure).locator(".main-svg").count() > 0
    assert opened.outside == []
    assert opened.errors == []


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


def test_a_pass_has_its_own_picture(opened: Opened) -> None:
    opened.page.get_by_role("tab", name="backward pass").click()
    opened.page.wait_for_function("document.querySelector('#crumbs').innerText.includes('gradients')")
    assert opened.errors == []


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


def settled(opened: Opened, crumb: str) -> None:
    opened.page.wait_for_function(
        "name => [...document.querySelectorAll('#crumbs button')].at(-1)?.textContent === name", arg=crumb
    )


def test_a_reader_gets_down_to_a_tensor_and_back(opened: Opened) -> None:
    page = opened.page
    page.locator("[data-view='0']").click()
    for name in ("bert", "encoder", "layer_3", "output", "dense"):
        page.locator("#level g[role=button]", has=page.locator(f"text:text-is('{name}')")).click()
        settled(opened, name)
    assert page.locator("#level text", has_text="∇ MatMul_1").count() == 1
    assert page.locator("#sunburst .slice", has_text="MatMul").count() > 0
    # The slice of a tensor marks its box; the level stays.
    page.locator("#sunburst .slice text", has_text="∇ MatMul_1").first.click(force=True)
    assert opened.crumbs()[-1] == "dense"
    assert page.locator("#level g.here text").first.text_content().startswith("∇ MatMul_1")
    for name in ("output", "layer_3"):
        page.locator("#crumbs button", has_text=name).last.click()
        settled(opened, name)
    page.locator("#crumbs button").first.click()
    assert len(opened.crumbs()) == 1
    assert opened.errors == []


def test_every_pass_and_the_folded_program_open_with_their_joules(opened: Opened, bert: Path) -> None:
    tabs = opened.page.locator("[data-view]")
    captions = []
    for i in range(tabs.count()):
        tabs.nth(i).click()
        opened.page.wait_for_function(
            "i => document.querySelectorAll('[aria-selected=true]')[0].dataset.view == i", arg=i
        )
        captions.append(opened.page.locator("#caption").inner_text())
        assert opened.page.locator("#sunburst .slice").count() > 3
        assert opened.page.locator("#level rect").count() > 0
    assert captions[0] == captions[1]
    assert len(set(captions)) == len(captions) - 1
    tabs.nth(1).click()
    opened.page.locator("#level g[role=button]", has_text="bert").click()
    opened.page.locator("#level g[role=button]", has_text="encoder").click()
    assert opened.page.locator("#level", has_text="transformer").count() == 1


def test_a_pointer_over_a_slice_tells_joules_spread_and_pass(opened: Opened) -> None:
    opened.page.locator("[data-view='0']").click()
    opened.page.mouse.move(0, 0)
    opened.page.locator("#sunburst .slice text", has_text="encoder").first.hover(force=True)
    opened.page.wait_for_selector("#sunburst .hovertext")
    told = opened.page.locator("#sunburst .hovertext").text_content()
    assert "bert/encoder" in told and " J" in told and "90 % interval" in told and "backward" in told


def test_by_power_boxes_tell_watts_and_by_energy_again_shares(opened: Opened) -> None:
    opened.page.locator("[data-view='2']").click()
    opened.page.locator("[data-scale=power]").click()
    opened.page.wait_for_function("document.querySelector('#level text[font-weight]').textContent.endsWith('W')")
    opened.page.locator("[data-scale=energy]").click()
    opened.page.wait_for_function("document.querySelector('#level text[font-weight]').textContent.endsWith('%')")
    assert opened.errors == []


def test_it_reads_on_dark_paper(browser: Any, opened: Opened) -> None:
    page = browser.new_page(color_scheme="dark")
    page.goto(opened.page.url)
    page.wait_for_selector("html[data-ready]", timeout=60_000)
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(15, 21, 19)"
    assert page.evaluate("document.getElementById('sunburst').layout.font.color") == "#c3cbd3"
    page.close()


def test_print_shows_what_is_folded_away_and_what_nobody_has_seen(browser: Any, opened: Opened) -> None:
    fresh = Opened(browser, Path(opened.page.url.removeprefix("file://")))
    assert fresh.page.locator("[data-figure='steps-0'] .main-svg").count() == 0
    fresh.page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    for figure in fresh.page.locator("[data-figure]").all():
        assert figure.locator(".main-svg").count() > 0
    assert fresh.page.locator("#operations tbody tr").count() > 0
    fresh.page.close()
    opened.page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert opened.page.locator("details:not([open])").count() == 0
    opened.page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    assert opened.page.locator("details[open]").count() == 0


def one_operation() -> synthetic_trace.Program:
    program = synthetic_trace.Program()
    program.op("net", "MatMul", 1.0)
    return program


def long_names() -> synthetic_trace.Program:
    program = synthetic_trace.Program()
    for name in ("x" * 500, "行列積" * 100, "Ünïcödé \u202e rtl", "a b & \"c\" 'd'"):
        program.op(f"net/{name}", name, 1.0)
    return program


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"program": synthetic_trace.Program(), "traced": ()}, "No operations were recorded"),
        ({"program": one_operation()}, "Most energy of operations goes to net"),
        ({"program": long_names()}, "Most energy of operations"),
        ({"basis": "modelled"}, "no energy sensor was readable"),
        ({"basis": "modelled", "gpu": True}, "modelled are not in this picture"),
        ({"overrides": {"state": "cut", "end_ns": None}}, "the recording did not end"),
    ],
    ids=["no operations", "one operation", "long names", "modelled", "both bases", "cut"],
)
def test_whatever_the_trace_the_page_says_something_true(
    browser: Any, tmp_path: Path, options: dict[str, Any], told: str
) -> None:
    trace = synthetic_trace.write(tmp_path / "t", **options)
    opened = Opened(browser, report.write(Runs.open(trace), tmp_path / "report.html"))
    assert told in opened.page.locator("body").inner_text()
    assert opened.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert opened.outside == []
    assert opened.errors == []


def test_a_trace_without_steps_has_a_page(browser: Any, bert: Path, tmp_path: Path) -> None:
    for file in bert.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    with duckdb.connect() as connection:
        connection.read_parquet(str(tmp_path / "steps.parquet")).to_table("t")
        connection.sql("from t where false").write_parquet(str(tmp_path / "steps.parquet"))
    seal_trace(tmp_path)
    opened = Opened(browser, report.write(Runs.open(tmp_path), tmp_path / "report.html"))
    assert "no steps were marked" in opened.figure("steps-0").text_content()
    assert opened.errors == []


def test_several_runs_have_one_page(browser: Any, bert: Path, tmp_path: Path) -> None:
    other = synthetic_trace.write(tmp_path / "other", speed=1.2)
    opened = Opened(browser, report.write(Runs.open(bert, other), tmp_path / "report.html"))
    text = opened.page.locator("body").inner_text()
    assert "± is the sd over 2 runs" in text and "2. bert" in text
    assert opened.figure("similarity").locator(".main-svg").count() > 0
    assert opened.errors == []


def test_of_a_large_program_only_what_is_seen_is_drawn_and_clicks_lead_in_and_out(opened: Opened, bert: Path) -> None:
    page = opened.page
    page.evaluate("report.page.limits.slices = 10")
    edd = Runs.open(bert).edd("optimizer")
    page.get_by_role("tab", name="optimizer pass").click()
    drawn = "document.getElementById('sunburst')._fullData[0]"
    page.wait_for_function("document.querySelector('#crumbs').innerText.includes('adamw')")
    assert page.evaluate(f"{drawn}.ids.length") < sum(1 for _ in edd.walk())
    values = page.evaluate(f"{drawn}.values.reduce((sum, value) => sum + value, 0)")
    assert values == pytest.approx(edd.energy_j)
    start = opened.crumbs()
    page.locator("#sunburst .slice", has_text="encoder").first.locator("path").dispatch_event("click")
    settled(opened, "encoder")
    page.wait_for_function(f"report.diagramOf(4).places[{drawn}.level].name === 'encoder'")
    page.locator("#sunburst .slice text", has_text="layer_2").first.hover(force=True)
    page.wait_for_selector("#sunburst .hovertext")
    assert "adamw/bert/encoder/layer_2" in page.locator("#sunburst .hovertext").text_content()
    page.locator("#sunburst .slice", has_text="encoder").first.locator("path").dispatch_event("click")
    page.wait_for_function("!document.querySelector('#crumbs').innerText.includes('encoder')")
    assert opened.crumbs() == start
    page.locator("[data-scale=power]").click()
    page.wait_for_function("document.querySelector('#level text[font-weight]').textContent.endsWith('W')")
    page.locator("[data-scale=energy]").click()
    page.evaluate("report.page.limits.slices = 5000")
    page.get_by_role("tab", name="all passes", exact=True).click()
    assert opened.errors == []


def test_every_operation_is_found_by_name_type_or_pass_and_sorted(opened: Opened, bert: Path) -> None:
    groups = Runs.open(bert).footprint().by("op")
    section = opened.page.locator("#operations")
    section.scroll_into_view_if_needed()
    rows = section.locator("tbody tr")
    rows.first.wait_for()
    assert rows.first.locator("td").all_text_contents()[:2] == [groups[0].name, joules(groups[0].energy_j)]
    assert section.locator("output").inner_text() == f"1–25 of {len(groups)}"
    section.locator("[data-page=next]").click()
    assert section.locator("output").inner_text() == f"26–50 of {len(groups)}"
    assert rows.first.locator("td").first.text_content() == groups[25].name
    section.locator("input").fill("layer_2 matmul backward")
    found = [group.name for group in groups if "layer_2" in group.name and "MatMul" in group.name
             and group.phase == "backward"]  # fmt: skip
    assert section.locator("output").inner_text().endswith(f"of {len(found)} found among {len(groups)}")
    assert [row.locator("td").first.text_content() for row in rows.all()] == found[:25]
    section.get_by_role("button", name="operation", exact=True).click()
    assert [row.locator("td").first.text_content() for row in rows.all()] == sorted(found)[:25]
    assert section.locator("th").first.get_attribute("aria-sort") == "ascending"
    section.locator("input").fill("no such operation")
    assert section.locator("output").inner_text() == f"0 found among {len(groups)}"
    section.locator("input").fill("")
    assert opened.errors == []


def test_a_hostile_name_is_text_in_the_table_of_operations(browser: Any, tmp_path: Path) -> None:
    program = synthetic_trace.Program()
    hostile = HOSTILE.replace("/", "\u2215") + "<img src=x onerror='window.harmed=true'>"
    program.op("net", hostile, 1.0, type=hostile)
    runs = Runs.open(synthetic_trace.write(tmp_path / "t", program))
    opened = Opened(browser, report.write(runs, tmp_path / "report.html"))
    opened.page.locator("#operations").scroll_into_view_if_needed()
    cell = opened.page.locator("#operations tbody td").first
    assert cell.text_content() == f"net/{hostile}"
    assert opened.page.evaluate("window.harmed === undefined")
    assert opened.outside == []
    assert opened.errors == []


def test_the_page_runs_no_script_but_its_own_and_loads_nothing(browser: Any, opened: Opened) -> None:
    page = browser.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.goto(opened.page.url)
    page.wait_for_selector("html[data-ready=true]")
    assert said == []  # nothing of its own is refused
    with page.expect_console_message(lambda _: sum("Content Security Policy" in text for text in said) >= 3):
        page.evaluate(
            """async () => {
              document.body.insertAdjacentHTML("beforeend", "<img src=x onerror='window.harmed=true'>");
              const image = document.body.lastElementChild;
              const refused = new Promise((done) => image.addEventListener("error", done));
              const script = document.createElement("script");
              document.body.append(Object.assign(script, { textContent: "window.harmed=true" }));
              await fetch("http://127.0.0.1:9/").catch(() => null);
              await refused;
            }"""
        )
    assert page.evaluate("window.harmed === undefined")
    page.close()


def test_without_a_browser_that_inflates_the_page_says_so(browser: Any, opened: Opened) -> None:
    page = browser.new_page()
    page.add_init_script("delete window.DecompressionStream")
    page.goto(opened.page.url)
    page.wait_for_selector("html[data-ready=failed]")
    assert "any since 2023" in page.locator("#failed").inner_text()
    assert "operations" in page.locator(".tiles").inner_text()
    page.close()


def test_without_scripts_every_table_and_the_ledger_are_there(browser: Any, opened: Opened) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(opened.page.url)
    assert "Figures are drawn by a script" in page.locator("noscript").text_content()
    assert page.locator("table").count() > 4 and page.locator(".joules li").count() > 5
    context.close()
