"""The interactive page: what it draws, who may read it, and a recording that becomes a trace while it is open."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from smaragdine import SmaragdineError
from smaragdine.accounts.words import PHASES
from testbed import synthetic_trace
from testbed.browser import at_rest, chromium, click, write
from testbed.hardware import powercap_tree

pytest.importorskip("dash")

from smaragdine.view import Server, Session, build, operations, serve
from smaragdine.view.drawing import KINDS, draw


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
@pytest.mark.parametrize("chosen", [-1, 0])
def test_every_kind_is_drawn_of_one_run_and_of_all(paths: list[Path], kind: str, chosen: int) -> None:
    figure = draw(kind, Session.open(paths), chosen, "bert/encoder/layer_0")
    assert figure.data


def test_the_power_of_one_run_shades_the_open_layer(paths: list[Path]) -> None:
    figure = draw("power", Session.open(paths), 0, "gradients/bert/encoder/layer_0")
    assert "bert/encoder/layer_0" in [line.name for line in figure.data]


def test_a_layer_that_another_diagram_lacks_opens_its_entrance(paths: list[Path]) -> None:
    session = Session.open(paths)
    assert session.box(0, "", False, "bert/encoder/layer_0").path == "bert/encoder/layer_0"
    assert session.box(0, "", True, "bert/encoder/layer_0").path == ""


def test_a_port_that_is_taken_is_named(paths: list[Path], address: str) -> None:
    port = urlsplit(address).port
    assert port
    with pytest.raises(SmaragdineError, match=str(port)):
        serve(paths, port, told=print)


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
        click(page.locator("#of-phase").get_by_text("backward"))
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
    runs = Session.open(paths).runs
    every = operations.fitting(runs, "equal", "run", "", "", "")
    assert sum(one.share for one in every) == pytest.approx(1)
    phases = [operations.fitting(runs, "equal", "run", phase, "", "") for phase in PHASES]
    assert sum(map(len, phases)) == len(every)
    backward = phases[PHASES.index("backward")]
    assert backward and {one.phase for one in backward} == {"backward"}
    assert sum(one.share for one in backward) == pytest.approx(1)
    assert operations.fitting(runs, "equal", "run", "", "GPU:7", "") == []
    assert operations.fitting(runs, "equal", "run", "", "", "modelled") == []
    per_step = operations.fitting(runs, "equal", "step", "", "", "")
    assert {one.name for one in per_step} == {one.name for one in every}
    with pytest.raises(SmaragdineError, match="token"):
        operations.fitting(runs, "equal", "token", "", "", "")


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
