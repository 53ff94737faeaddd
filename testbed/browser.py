"""A page as a browser without a network shows it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = Path("/usr/bin/chromium")


def missing(what: str) -> None:
    """Skips the test; fails it where a browser is required."""
    if os.environ.get("SMARAGDINE_REQUIRE_BROWSER") == "1":
        pytest.fail(f"{what} is missing and SMARAGDINE_REQUIRE_BROWSER=1")
    pytest.skip(f"{what} is missing")


def lacking() -> str | None:
    """What a program is to say that can drive no browser here, and what brings it."""
    if find_spec("playwright") is None:
        return "error: playwright is not installed\nhint: pip install -e '.[dev]'"
    if not CHROMIUM.exists():
        return f"error: there is no {CHROMIUM}\nhint: apt-get install chromium"
    return None


@contextmanager
def chromium() -> Iterator[Any]:
    """A headless browser."""
    if not CHROMIUM.exists():
        missing(str(CHROMIUM))
    if find_spec("playwright") is None:
        missing("playwright")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield browser
        browser.close()


def at_rest(page: Any) -> None:
    """Waits until a page of Dash has all the answers that it asked for, and has drawn them.

    Who clicks waits for that without knowing: where the page moves between the button's way down and its way up, they
    fall on two things and nothing is clicked.
    """
    page.wait_for_function(
        "() => { const now = window.store?.getState();"
        " return now && !now.isLoading && now.appLifecycle === 'HYDRATED' }"
    )
    page.evaluate("() => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))")


def click(target: Any, **how: Any) -> None:
    """What a person does to something on a page of Dash: sees it, and presses."""
    at_rest(target.page)
    target.click(**how)


def write(target: Any, text: str, *, enter: bool = False) -> None:
    """Into a field that is not drawn anew meanwhile, which would hold again what it held."""
    at_rest(target.page)
    target.fill(text)
    if enter:
        target.press("Enter")


def search(dropdown: Any, text: str) -> None:
    """Opens one of Dash's dropdowns and types, once the field that takes the letters has the focus."""
    click(dropdown)
    field = dropdown.page.locator(".dash-dropdown-search")
    field.wait_for()
    dropdown.page.wait_for_function("document.activeElement?.matches('.dash-dropdown-search')")
    dropdown.page.keyboard.type(text)
    dropdown.page.wait_for_function("text => document.querySelector('.dash-dropdown-search').value === text", arg=text)


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

    def figure(self, kind: str) -> Any:
        """One of the figures, scrolled to, for it is drawn once somebody may see it."""
        figure = self.page.locator(f"[data-figure='{kind}']")
        figure.scroll_into_view_if_needed()
        figure.locator(".main-svg").first.wait_for()
        return figure

    def crumbs(self) -> list[str]:
        return [text.strip() for text in self.page.locator("#crumbs button").all_inner_texts()]
