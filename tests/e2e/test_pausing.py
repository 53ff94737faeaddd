"""A training that its owner pauses and lets go on: no step is lost, and the trace tells when it stood still."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import smaragdine
from smaragdine import SmaragdineError, Trace
from smaragdine.daemon.client import Client, Live
from smaragdine.daemon.messages import Event
from smaragdine.figures import power
from smaragdine.frameworks.record import Recording
from testbed.browser import chromium, click, write
from testbed.hardware import powercap_tree

STEP_S = 0.02


def until(holds: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


class Loop:
    """A training on a thread of its own, step after step, until it is ended."""

    def __init__(self, recording: Recording, traced: bool = False) -> None:
        self.steps = 0
        self._recording = recording
        self._traced = traced
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self._ends.is_set():
            with self._recording.step(samples=1):
                began, start_ns = time.thread_time(), time.monotonic_ns()
                while time.thread_time() - began < STEP_S / 2:
                    pass
                if self._traced:
                    event = Event("net/MatMul", start_ns, time.monotonic_ns())
                    self._recording.events([event], "monotonic")
            self.steps += 1

    def end(self) -> None:
        self._ends.set()
        self._thread.join(60)
        assert not self._thread.is_alive()


@pytest.fixture
def sensor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with powercap_tree(tmp_path / "tree", "--package", "constant:100") as tree:
        monkeypatch.setenv("SMARAGDINE_POWERCAP_ROOT", str(tree.root))
        yield


class Watcher:
    """What the daemon tells of a recording to whoever watches it."""

    def __init__(self, recording: Recording) -> None:
        assert recording.socket is not None
        self.client, self.id = Client(recording.socket), recording.id
        self.last = Live(0, {}, {})
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        try:
            for live in self.client.watch(self.id):
                self.last = live
        except SmaragdineError:
            pass

    def pause(self, pause: bool) -> None:
        self.client.pause(self.id, pause)


@contextmanager
def training(output: Path, traced: bool = False, **options: bool) -> Iterator[tuple[Loop, Watcher]]:
    with smaragdine.record(output, **options) as recording:  # type: ignore[arg-type]
        watcher, loop = Watcher(recording), Loop(recording, traced)
        try:
            until(lambda: watcher.last.end_ns and loop.steps > 5, "it did not begin")
            yield loop, watcher
        finally:
            if watcher.last.pausing:
                watcher.pause(False)
            loop.end()


def paused_for(seconds: float, loop: Loop, watcher: Watcher) -> None:
    watcher.pause(True)
    until(lambda: watcher.last.paused, "it did not stand still")
    stood_at, stood_ns = loop.steps, watcher.last.end_ns
    until(lambda: watcher.last.end_ns > stood_ns + seconds * 1e9, "nothing was measured meanwhile")
    assert loop.steps == stood_at
    watcher.pause(False)
    until(lambda: loop.steps > stood_at + 3, "it did not go on")
    # Asked first, done afterwards: what is told of this pause is not to be taken for the next one.
    until(lambda: not (watcher.last.pausing or watcher.last.paused), "that it goes on was not told")


@pytest.mark.parametrize("traced", [False, True])
@pytest.mark.usefixtures("sensor")
def test_a_pause_costs_no_step_and_is_a_span_whose_energy_no_step_has(tmp_path: Path, traced: bool) -> None:
    with training(tmp_path / "out", traced, pausable=True) as (loop, watcher):
        until(lambda: watcher.last.pausable, "that it can pause was not told")
        assert not watcher.last.paused
        for _ in range(2):
            paused_for(0.5, loop, watcher)
    trace = Trace.open(tmp_path / "out")
    assert [step.step for step in trace.steps] == list(range(loop.steps))
    pauses = [span for span in trace.named_spans if span.name == "pause"]
    assert len(pauses) == 2
    for span in pauses:
        assert span.duration_s > 0.5
        assert not [step for step in trace.steps if step.start_ns < span.end_ns and step.end_ns > span.start_ns]
    in_steps = sum(energy_j for step in trace.steps for energy_j in step.energy_j.values())
    ledger: Counter[str] = Counter()
    for row in trace.ledger():
        ledger[row.entry] += row.energy_j
    stood_j = sum(sum(span.energy_j.values()) for span in pauses)
    assert ledger["untraced"] >= stood_j > 0
    # Whatever of it is the application's outside of steps is in no step's energy.
    own_j = ledger["untraced"] + ledger["application"] + ledger["operations"]
    assert in_steps <= (own_j - stood_j) * (1 + 1e-9)
    if traced:
        assert ledger["application"] + ledger["operations"] <= in_steps * (1 + 1e-9)
    assert "paused" in [line.name for line in power(trace).data]


@pytest.mark.usefixtures("sensor")
def test_a_training_that_did_not_say_so_is_not_paused(tmp_path: Path) -> None:
    with training(tmp_path / "out") as (loop, watcher):
        assert not watcher.last.pausable
        with pytest.raises(SmaragdineError, match="did not say that it can") as caught:
            watcher.pause(True)
        assert "pausable=True" in str(caught.value)
        before = loop.steps
        until(lambda: loop.steps > before + 3, "it stood still")


@pytest.mark.usefixtures("sensor")
def test_a_paused_training_goes_on_where_its_recording_ends(tmp_path: Path) -> None:
    with smaragdine.record(tmp_path / "out", pausable=True) as recording:
        watcher, loop = Watcher(recording), Loop(recording)
        until(lambda: watcher.last.pausable and loop.steps, "it did not begin")
        watcher.pause(True)
        until(lambda: watcher.last.paused, "it did not stand still")
        stood_at = loop.steps
        recording.finish()
        until(lambda: loop.steps > stood_at, "it waits for nobody")
        loop.end()
    assert Trace.open(tmp_path / "out").metadata.state == "complete"


def test_a_rank_among_others_is_never_paused_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name, value in {"RANK": "0", "WORLD_SIZE": "2", "LOCAL_RANK": "0"}.items():
        monkeypatch.setenv(name, value)
    with smaragdine.record(tmp_path / "out", pausable=True) as recording:
        assert recording.brake() is None
    assert "one of 2 ranks" in caplog.text


@pytest.mark.browser
@pytest.mark.usefixtures("sensor")
def test_a_reader_pauses_the_job_on_its_own_page_and_from_another(tmp_path: Path) -> None:
    pytest.importorskip("dash")
    from pages import served

    with (
        chromium() as browser,
        training(tmp_path / "out", pausable=True) as (loop, watcher),
        served(tmp_path / "out") as job,
        served() as own,
    ):
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.goto(job.address)
        page.wait_for_function("document.querySelector('#pausing-own')?.textContent === 'it runs'")
        click(page.locator("#pause-own"))
        page.wait_for_function("document.querySelector('#pausing-own')?.textContent?.includes('stands still')")
        page.wait_for_function("document.querySelector('#live')?.textContent?.includes('paused')")
        stood_at = loop.steps
        assert watcher.last.paused

        other = browser.new_page(viewport={"width": 1280, "height": 900})
        other.goto(own.address)
        other.wait_for_selector("#constants input")
        click(other.locator("#tab").get_by_text("Live"))
        write(other.locator("#link"), job.address)
        click(other.get_by_role("button", name="Follow"))
        other.wait_for_function("document.querySelector('#pausing-linked')?.textContent?.includes('stands still')")
        assert loop.steps == stood_at
        click(other.locator("#pause-linked"))
        other.wait_for_function("document.querySelector('#pausing-linked')?.textContent === 'it runs'")
        page.wait_for_function("document.querySelector('#pausing-own')?.textContent === 'it runs'")
        until(lambda: loop.steps > stood_at, "it did not go on")
        page.close()
        other.close()


@pytest.mark.browser
@pytest.mark.usefixtures("sensor")
def test_a_page_says_why_a_training_cannot_be_paused(tmp_path: Path) -> None:
    pytest.importorskip("dash")
    from pages import served

    with chromium() as browser, training(tmp_path / "out"), served(tmp_path / "out") as job:
        page = browser.new_page()
        page.goto(job.address)
        page.wait_for_function("document.querySelector('#pausing-own')?.textContent?.includes('pausable=True')")
        assert page.locator("#pause-own").is_disabled()
        page.close()
