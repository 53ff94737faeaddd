"""The interactive page: what it draws, who may read it, and a recording that becomes a trace while it is open."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import urlopen

import duckdb
import pytest

from smaragdine import SmaragdineError
from smaragdine.accounts.group import Group
from smaragdine.accounts.quantity import joules
from smaragdine.accounts.words import PHASES
from testbed import synthetic_trace
from testbed.browser import at_rest, chromium, click, write
from testbed.hardware import powercap_tree
from testbed.sealed import seal_trace

pytest.importorskip("dash")

from pages import served
from smaragdine.view import Server, Session, build, operations, serve
from smaragdine.view.drawing import KINDS, draw
from smaragdine.view.ring import ring
from smaragdine.view.selection import ALL, Selection


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    root = tmp_path_factory.mktemp("traces")
    return [synthetic_trace.write(root / str(speed), speed=speed) for speed in (1.0, 1.2)]


@pytest.fixture(scope="module")
def address(paths: list[Path]) -> Iterator[str]:
    server = Server(build(Session.open(paths)), 0)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.address
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shown", [Selection(ALL), Selection(0), Selection(0, "backward", device="CPU:0")])
def test_every_kind_is_drawn_of_one_run_and_of_all(paths: list[Path], kind: str, shown: Selection) -> None:
    figure = draw(kind, Session.open(paths), shown, "bert/encoder/layer_0")
    assert figure.data


def test_the_power_of_one_run_shades_the_open_layer(paths: list[Path]) -> None:
    figure = draw("power", Session.open(paths), Selection(0), "gradients/bert/encoder/layer_0")
    assert "bert/encoder/layer_0" in [line.name for line in figure.data]


def test_a_layer_that_another_diagram_lacks_opens_its_entrance(paths: list[Path]) -> None:
    session = Session.open(paths)
    assert session.box(Selection(0), "bert/encoder/layer_0").path == "bert/encoder/layer_0"
    assert session.box(Selection(0, folded="folded"), "bert/encoder/layer_0").path == ""


def test_a_port_that_is_taken_is_named(paths: list[Path], address: str) -> None:
    port = urlsplit(address).port
    assert port
    with pytest.raises(SmaragdineError, match=str(port)):
        serve(paths, port, told=print)


def test_scripts_come_while_a_trace_is_read_and_to_nobody_without_the_token(paths: list[Path]) -> None:
    with served(*paths) as server:
        plain, _, token = server.address.partition("?")
        urlopen(f"{plain}?{token}").read()
        with server.door.turn:
            for script in ("plotly.js", "_dash-component-suites/plotly/package_data/plotly.min.js"):
                with urlopen(f"{plain}{script}?{token}", timeout=20) as answer:
                    assert (answer.status, answer.headers.get_content_type()) == (200, "text/javascript"), script
                with pytest.raises(HTTPError) as caught:
                    urlopen(plain + script)
                assert caught.value.code == 403
            with pytest.raises(TimeoutError):
                urlopen(f"{plain}_dash-layout?{token}", timeout=0.5)


def test_what_is_no_trace_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SmaragdineError, match="nowhere"):
        Session.open([tmp_path / "nowhere"])


def test_a_recording_is_followed_and_then_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import smaragdine

    with powercap_tree(tmp_path / "tree", "--package", "constant:100") as tree:
        monkeypatch.setenv("SMARAGDINE_POWERCAP_ROOT", str(tree.root))
        with smaragdine.record(tmp_path / "out"):
            session = Session.open([tmp_path / "out"])
            assert session.recording and session.following is not None
            page = json.dumps(build(session).layout().to_plotly_json(), default=str)
            assert "being recorded" in page
            deadline = time.monotonic() + 20
            while len(session.following.moments) < 3 and time.monotonic() < deadline:
                time.sleep(0.05)
            figure = session.following.figure()
            assert {line.name for line in figure.data} == set(session.following.moments[-1].power_w)
            assert len(figure.data[0].x) >= 3
    assert not session.recording
    assert session.runs.traces[0].metadata.state == "complete"


@pytest.mark.browser
def test_a_reader_opens_layers_from_both_pictures_and_switches_pass(address: str) -> None:
    with chromium() as browser:
        page = browser.new_context(viewport={"width": 1280, "height": 1200}).new_page()
        outside, errors = [], []
        here = address.partition("?")[0]
        page.on("request", lambda request: outside.append(request.url) if here not in request.url else None)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(address)

        def crumb(name: str) -> None:
            page.wait_for_function(
                "name => [...document.querySelectorAll('#crumbs button')].at(-1)?.textContent === name", arg=name
            )

        page.wait_for_selector("#sunburst .slice")
        click(page.locator("#sunburst .slice text", has_text="layer_2").first, force=True)
        crumb("layer_2")
        page.wait_for_function("document.querySelector('#level').textContent.includes('intermediate')")
        click(page.locator("#crumbs button", has_text="encoder"))
        crumb("encoder")
        click(page.locator("#phase").get_by_text("backward"))
        page.wait_for_function("document.querySelector('#sunburst').textContent.includes('∇ MatMul_1')")
        click(page.locator("#kind").get_by_text("ledger"))
        page.wait_for_function("document.querySelector('#figure').textContent.includes('Where every joule went')")
        page.wait_for_load_state("networkidle")
        assert page.url == here, "the token is not left to be read"
        page.reload()
        page.wait_for_selector("#sunburst .slice")
        another = page.context.new_page()
        another.goto(here)
        another.wait_for_selector("#sunburst .slice")
        assert [url for url in outside if not url.startswith(("data:", "blob:"))] == []
        assert errors == []


@pytest.mark.browser
def test_an_operation_is_found_by_its_name_and_opens_its_layer_on_all_tabs(address: str) -> None:
    with chromium() as browser:
        page = browser.new_context(viewport={"width": 1280, "height": 1200}).new_page()
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(address)
        page.wait_for_selector("#operations tbody tr")

        def said(selector: str, text: str) -> None:
            page.wait_for_function(
                "([selector, text]) => document.querySelector(selector)?.textContent.includes(text)",
                arg=[selector, text],
            )

        at_rest(page)
        page.keyboard.press("/")
        page.wait_for_function("document.activeElement.id === 'search'")
        page.keyboard.type("layer_2 intermediate matmul")
        said("#operations", "3 found")
        click(page.locator("#phase").get_by_text("backward"))
        said("#operations", "2 found")
        click(page.locator("#unit").get_by_text("Wh"))
        click(page.locator("#per").get_by_text("step"))
        said("#operations thead", "Wh per step")
        said("#operations tbody", "Wh")
        click(page.locator("#per").get_by_text("token"))
        said("#operations", "tokens")
        click(page.locator("#per").get_by_text("run"))
        said("#operations", "2 found")
        click(page.locator("#operations tbody button").first)
        said("#crumbs", "dense")
        write(page.locator("#search"), "")
        said("#operations", "in bert/encoder/layer_2/intermediate/dense")

        click(page.locator("#tab").get_by_text("Compare"))
        said("#compared-in", "within bert/encoder/layer_2/intermediate/dense")
        click(page.locator("#tab").get_by_text("What if"))
        said("#layers", "bert/encoder/layer_2/intermediate/dense")
        at_rest(page)
        page.keyboard.press("Alt+1")
        page.wait_for_function("!document.querySelector('#sunburst').closest('[data-tab]').hidden")
        click(page.locator("#crumbs button:not([disabled])").last)
        said("#operations", "in bert/encoder/layer_2/intermediate,")
        at_rest(page)
        page.keyboard.press("Control+z")
        said("#operations", "in bert/encoder/layer_2/intermediate/dense")
        at_rest(page)
        page.keyboard.press("Escape")
        said("#operations", "in bert/encoder/layer_2/intermediate,")
        assert errors == []


def test_operations_are_filtered_by_pass_device_and_basis(paths: list[Path]) -> None:
    session = Session.open(paths)
    first = session.first

    def fitting(**chosen: str) -> list[Group]:
        return operations.fitting(session, replace(first, **chosen), "run")  # type: ignore[arg-type]

    every = fitting()
    assert sum(one.share for one in every) == pytest.approx(1)
    phases = [fitting(phase=phase) for phase in PHASES]
    assert sum(map(len, phases)) == len(every)
    backward = phases[PHASES.index("backward")]
    assert backward and {one.phase for one in backward} == {"backward"}
    assert sum(one.share for one in backward) == pytest.approx(1)
    assert fitting(device="GPU:7") == []
    assert fitting(basis="modelled") == []
    per_step = operations.fitting(session, first, "step")
    assert {one.name for one in per_step} == {one.name for one in every}
    with pytest.raises(SmaragdineError, match="token"):
        operations.fitting(session, first, "token")


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """A trace of a GPU that was measured and a processor that was modelled, accounted by a second policy, by which all
    of the energy is the GPU's."""
    path = synthetic_trace.write(tmp_path / "mixed", basis="modelled", gpu=True)
    doubled = "'recency' as policy, 2 * energy_j as energy_j, 2 * power_w as power_w"
    for table, changed in (("footprint", f"{doubled}) from rows where device = 'GPU:0'"),
                           ("ledger", "'recency' as policy) from rows")):  # fmt: skip
        rows = f"with rows as (select * from '{path}/{table}.parquet') from rows"
        duckdb.execute(f"copy ({rows} union all select * replace ({changed}) to '{path}/both.parquet'")
        (path / "both.parquet").replace(path / f"{table}.parquet")
    seal_trace(path)
    return path


def test_what_is_selected_is_in_the_diagram_as_in_the_list(mixed: Path) -> None:
    session = Session.open([mixed])
    for chosen in ({"device": "GPU:0"}, {"basis": "modelled"}, {"policy": "recency"}, {"phase": "backward"},
                   {"phase": "forward", "device": "CPU:0", "basis": "modelled"},
                   {"device": "GPU:0", "policy": "recency", "phase": "backward", "folded": "folded"}):  # fmt: skip
        shown = replace(session.first, **chosen)  # type: ignore[arg-type]
        listed = operations.fitting(session, shown, "run")
        edd = session.edd(shown)
        assert edd.energy_j == pytest.approx(sum(one.energy_j for one in listed if one.basis == edd.basis)), chosen
        if "basis" not in chosen:
            other_j = sum(one.energy_j for one in listed if one.basis != edd.basis)
            assert edd.left_out_j == pytest.approx(other_j), chosen
        assert sum(ring(session, shown, "")["data"][0]["values"]) == pytest.approx(edd.energy_j), chosen
    # Of both bases a diagram shows the measured one, and says what it leaves out.
    assert session.edd(session.first).left_out_j > 0
    nothing = replace(session.first, device="GPU:0", basis="modelled")
    assert operations.fitting(session, nothing, "run") == [] and session.edd(nothing).energy_j == 0


@pytest.mark.browser
def test_a_reader_filters_every_picture_and_every_tab_at_once(mixed: Path, tmp_path: Path) -> None:
    other = synthetic_trace.write(tmp_path / "other", basis="modelled", gpu=True, speed=1.1)
    with chromium() as browser, served(mixed) as one, served(mixed, other) as both:
        page = browser.new_context(viewport={"width": 1280, "height": 1200}).new_page()
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))

        def said(selector: str, text: str, there: bool = True) -> None:
            page.wait_for_function(
                "([selector, text, there]) => document.querySelector(selector)?.textContent.includes(text) === there",
                arg=[selector, text, there],
            )

        page.goto(one.address)
        said("#operations tbody", "measured")
        said("#sunburst", "are not in this picture")
        session = Session.open([mixed])
        for control, word in (("device", "GPU:0"), ("policy", "recency"), ("phase", "backward")):
            click(page.locator(f"#{control}").get_by_text(word, exact=True))
        shown = replace(session.first, device="GPU:0", policy="recency", phase="backward")
        told = joules(session.edd(shown).energy_j)
        said("#sunburst", told)
        said("#operations", f"of {len(operations.fitting(session, shown, 'run'))}")
        said("#operations tbody", "modelled", there=False)
        said("#crumbs", "bert")
        click(page.locator("#device").get_by_text("CPU:0"))
        said("#sunburst", "no energy in operations")
        said("#operations", "0 in all, of 0")
        click(page.locator("#policy").get_by_text("equal"))
        click(page.locator("#basis").get_by_text("modelled"))
        said("#operations tbody", "modelled")
        said("#sunburst", joules(session.edd(replace(session.first, device="CPU:0", phase="backward")).energy_j))
        assert page.locator("#policy").get_by_text("recency").count() == 1

        page.goto(both.address)
        said("#operations tbody", "measured")
        click(page.locator("#device").get_by_text("GPU:0"))
        click(page.locator("#sunburst .slice text", has_text="layer_2").first, force=True)
        said("#operations", "in bert/encoder/layer_2")
        click(page.locator("#tab").get_by_text("Compare"))
        said("#compared-in", "within bert/encoder/layer_2")
        said("#compared-in", "only GPU:0")
        said("#comparison", "layer_2")
        click(page.locator("#tab").get_by_text("Explore"))
        click(page.locator("#device").get_by_text("all"))
        click(page.locator("#tab").get_by_text("Compare"))
        said("#compared-in", "only", there=False)
        assert errors == []


@pytest.mark.browser
def test_layers_of_a_large_program_are_opened_from_the_ring_that_holds_what_is_seen(tmp_path: Path) -> None:
    trace = synthetic_trace.write(tmp_path / "large", synthetic_trace.Program.bert(30), steps=20, traced=(2,))
    with chromium() as browser, served(trace) as server:
        page = browser.new_context(viewport={"width": 1280, "height": 1200}).new_page()
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(server.address)
        page.wait_for_selector("#sunburst .slice")

        def opened(name: str) -> None:
            """The ring, the level and the list have a layer in their middle."""
            page.wait_for_function(
                "name => [...document.querySelectorAll('#crumbs button')].at(-1)?.textContent === name", arg=name
            )
            page.wait_for_function(
                "name => { const ring = document.querySelector('#sunburst .js-plotly-plot').data[0];"
                " return ring.labels[ring.ids.indexOf(ring.level)].split(' · ')[0] === name }",
                arg=name,
            )

        def slices() -> int:
            return int(page.evaluate("document.querySelector('#sunburst .js-plotly-plot').data[0].ids.length"))

        assert slices() < 300
        # Of the outermost ring, whose inside is not here yet, then further inside.
        click(page.locator("#sunburst .slice text", has_text="encoder").first, force=True)
        opened("encoder")
        click(page.locator("#sunburst .slice text", has_text="layer_17").first, force=True)
        opened("layer_17")
        click(page.locator("#sunburst .slice text", has_text="intermediate").first, force=True)
        opened("intermediate")
        assert slices() < 300
        # The middle leads outwards.
        click(page.locator("#sunburst .slice text", has_text="intermediate").first, force=True)
        opened("layer_17")
        page.wait_for_function("document.querySelector('#sunburst').textContent.includes('attention')")
        page.keyboard.press("Control+z")
        opened("intermediate")
        click(page.locator("#crumbs button", has_text="encoder"))
        opened("encoder")
        page.wait_for_function("document.querySelector('#sunburst').textContent.includes('layer_3')")
        assert errors == []


def test_a_job_s_folder_is_opened_as_one_trace(tmp_path: Path) -> None:
    for number in range(2):
        labels = {"host": "a", "rank": str(number), "world_size": "2", "job": "1"}
        synthetic_trace.write(
            tmp_path / "job" / "host=a" / f"rank={number}",
            overrides={"labels": labels, "host": {"name": "a", "boot_id": "b"}},
        )
    (tmp_path / "job" / "profile.json").write_text("{}")
    session = Session.open([tmp_path / "job"])
    assert not session.recording
    assert len(session.runs) == 1 and session.shelf.profiles[0].kwh > 0
