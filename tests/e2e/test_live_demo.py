"""The demo as it trains, followed from another page: paused, exported, gone on, and whole in the end."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from smaragdine import SmaragdineError, Trace
from smaragdine.trace.metadata import Metadata
from smaragdine.what_if import Profile
from testbed.browser import chromium, click, write
from testbed.hardware import powercap_tree

pytest.importorskip("dash")

from pages import served

STEPS = 40


def until(holds: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + 80
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


@pytest.mark.browser
@pytest.mark.tensorflow
def test_a_reader_follows_the_demo_pauses_it_exports_it_and_lets_it_go_on(tmp_path: Path) -> None:
    output = tmp_path / "demo"
    command = [sys.executable, "-m", "smaragdine", "demo", "-o", str(output), "--steps", str(STEPS), "--pausable"]
    with powercap_tree(tmp_path / "tree", "--package", "constant:100") as tree, chromium() as browser:
        environment = {**os.environ, "SMARAGDINE_POWERCAP_ROOT": str(tree.root)}
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        outside: list[str] = []
        with (
            subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as demo,
            served() as own,
        ):
            try:
                here = own.address.partition("?")[0]
                page.route(
                    lambda url: not url.startswith((here, "data:", "blob:")),
                    lambda route: (outside.append(route.request.url), route.abort()),
                )
                page.goto(f"{own.address}#tab=live")
                page.wait_for_selector("#link", state="visible")
                until(lambda: _begun(output) or demo.poll() is not None, "it did not begin")
                with served(output) as job:
                    _paused(page, job.address, tmp_path / "so-far.json")
                    told, failed = demo.communicate(timeout=80)
                    assert demo.returncode == 0, failed.decode()
                    assert "absl" not in failed.decode()
                    assert str(output) in told.decode()
                    page.wait_for_function("document.querySelector('#standing').textContent.includes('has ended')")
                    click(page.get_by_role("button", name="Take its profile"))
                    page.wait_for_function("document.querySelector('#took').textContent.includes('taken as demo')")
            finally:
                demo.kill()
        page.close()
    assert outside == []
    trace = Trace.open(output)
    assert [step.step for step in trace.steps] == list(range(STEPS))
    [stood] = [span for span in trace.named_spans if span.name == "pause"]
    assert not [step for step in trace.steps if step.start_ns < stood.end_ns and step.end_ns > stood.start_ns]
    assert stood.energy_j is not None
    assert trace.ledger().entry("untraced").measured_j >= sum(stood.energy_j.values()) > 0
    so_far = Profile.read(tmp_path / "so-far.json")
    assert so_far.name == "demo, so far" and 0 < so_far.kwh < Profile.of(trace).kwh


def _begun(output: Path) -> bool:
    """Whether the daemon has told what it records; a moment before, the directory is taken alone."""
    try:
        return Metadata.read(output).state == "recording"
    except SmaragdineError:
        return False


def _paused(page: Any, address: str, exported: Path) -> None:
    """Follows, pauses, exports the profile meanwhile, and lets it go on."""

    def said(selector: str, text: str) -> None:
        page.wait_for_function(
            "([selector, text]) => document.querySelector(selector)?.textContent.includes(text)", arg=[selector, text]
        )

    write(page.locator("#link"), address)
    click(page.get_by_role("button", name="Follow"))
    said("#standing", "following")
    said("#pausing-linked", "it runs")
    click(page.locator("#pause-linked"))
    said("#pausing-linked", "stands still")
    said("#linked", "paused")
    click(page.get_by_role("button", name="Take its profile"))
    said("#took", "taken as demo, so far")
    click(page.locator("#tab").get_by_text("What if"))
    click(page.locator(".chip", has_text="demo, so far").locator(".name"))
    said("#about", "its application alone")
    with page.expect_download() as download:
        click(page.get_by_role("button", name="Save profile"))
    download.value.save_as(exported)
    click(page.locator("#tab").get_by_text("Live"))
    said("#pausing-linked", "stands still")
    click(page.locator("#pause-linked"))
    said("#pausing-linked", "it runs")
