"""A page that follows the job of another page: what it is told, and every way in which it is told nothing."""

from __future__ import annotations

import http.server
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import smaragdine
from smaragdine import SmaragdineError
from smaragdine.cli import main
from smaragdine.what_if import Profile
from testbed import synthetic_trace
from testbed.browser import chromium, click, write
from testbed.hardware import powercap_tree

pytest.importorskip("dash")

import smaragdine.view.link as links
from pages import served
from smaragdine.view import Session
from smaragdine.view.link import Link


def until(holds: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


@contextmanager
def answering(body: bytes, status: int = 200, **headers: str) -> Iterator[str]:
    """A server that is none of ours."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/?token=x"
    finally:
        server.shutdown()
        server.server_close()


def test_a_running_job_is_followed_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with powercap_tree(tmp_path / "tree", "--package", "constant:100") as tree:
        monkeypatch.setenv("SMARAGDINE_POWERCAP_ROOT", str(tree.root))
        with smaragdine.record(tmp_path / "out") as recording, served(tmp_path / "out") as server:
            link = Link.to(server.address)
            until(lambda: len(link.moments) >= 3, "nothing was told")
            assert link.standing == "following"
            until(lambda: sum(link.moments[-1].application_j.values()) > 0, "no energy was told")
            so_far = link.profile()
            assert (so_far.by, so_far.basis) == ("run", "measured")
            assert "its application alone" in so_far.source
            last = link.moments[-1]
            assert so_far.kwh * 3.6e6 <= sum(recording.energy().values())
            assert sum(last.application_j.values()) <= sum(last.settled_j.values()) < sum(last.energy_j.values())
            link.leave()
        with served(tmp_path / "out") as server:
            link = Link.to(server.address)
            until(lambda: link.ended, "its end was not told")
            assert "has ended" in link.standing
            assert link.profile() == Profile.of(smaragdine.Trace.open(tmp_path / "out"))


def test_a_page_that_went_is_told_and_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(links, "_EACH_S", 0.05)
    with powercap_tree(tmp_path / "tree", "--package", "constant:100") as tree:
        monkeypatch.setenv("SMARAGDINE_POWERCAP_ROOT", str(tree.root))
        with smaragdine.record(tmp_path / "out"):
            with served(tmp_path / "out") as server:
                link = Link.to(server.address)
                until(lambda: link.moments, "nothing was told")
            until(lambda: "not reachable since" in link.standing, "that the page went was not told")
            assert not link.ended
            assert link.moments
            link.leave()


JOB = """
import sys, time, smaragdine
with smaragdine.record(sys.argv[1], pausable=True) as recording:
    print("began", flush=True)
    while True:
        with recording.step(samples=1):
            began = time.thread_time()
            while time.thread_time() - began < 0.02:
                pass
"""


def test_a_job_that_died_is_told_with_what_rebuilds_its_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with powercap_tree(tmp_path / "tree", "--package", "constant:100") as tree:
        monkeypatch.setenv("SMARAGDINE_POWERCAP_ROOT", str(tree.root))
        command = [sys.executable, "-c", JOB, str(tmp_path / "out")]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as job:
            assert job.stdout is not None and job.stdout.readline()
            session = Session.open([tmp_path / "out"])
            with served(tmp_path / "out") as server:
                link = Link.to(server.address)
                until(lambda: link.moments and sum(link.moments[-1].application_j.values()) > 0, "nothing was told")
                assert session.following is not None and session.following.standing == ""
                job.kill()
                job.wait()
                until(lambda: "recording has ended" in link.standing, link.standing)
                until(lambda: "recover OUTPUT" in session.following.standing, "its own page does not tell")
                # What was told before is still there, and its trace is waited for.
                assert not link.ended and link.profile().kwh > 0
                until(lambda: main(["recover", str(tmp_path / "out")]) == 0, "it was not rebuilt")
                until(lambda: link.ended, link.standing)
                assert "its trace is cut" in link.standing
                assert link.profile() == Profile.of(smaragdine.Trace.open(tmp_path / "out"))


def test_a_job_that_says_nothing_new_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(links, "_EACH_S", 0.05)
    monkeypatch.setattr(links, "_SILENT_S", 0.2)
    told = {"format": links.FORMAT, "version": 1, "name": "asleep", "state": "recording", "start_ns": 0, "domains": [],
            "moments": []}  # fmt: skip
    with answering(json.dumps(told).encode()) as address:
        link = Link.to(address)
        until(lambda: "nothing new" in link.standing, link.standing)
        assert not link.ended
        with pytest.raises(SmaragdineError, match="nothing was told"):
            link.profile()
        link.leave()


def test_a_wrong_token_is_told_nothing(tmp_path: Path) -> None:
    trace = synthetic_trace.write(tmp_path / "bert")
    with served(trace) as server:
        link = Link.to(f"http://127.0.0.1:{server.port}/?token={'x' * 43}")
        until(lambda: link.ended, "the refusal was not told")
        assert "refuses" in link.standing
        assert (link.name, link.domains, len(link.moments)) == ("", (), 0)


@pytest.mark.parametrize(
    "address",
    ["", "yes", "http://evil.example:80/?token=x", "http://127.0.0.1:80/", "https://127.0.0.1:80/?token=x",
     "file:///etc/passwd?token=x", "http://127.0.0.1/?token=x", "http://127.0.0.1:80@evil.example:80/?token=x",
     "http://169.254.169.254:80/?token=x", "http://[::1/?token=x", "http://127.0.0.1:99999/?token=x"],
)  # fmt: skip
def test_an_address_of_no_page_on_this_machine_is_never_asked(address: str) -> None:
    with pytest.raises(SmaragdineError, match="no address of a page on this machine"):
        Link.to(address)


@pytest.mark.parametrize(
    ("body", "status", "headers"),
    [(b"<html>", 200, {}), (b"[]", 200, {}), (b"{}", 200, {}), (b"no", 404, {}), (b"", 500, {}),
     (b"", 302, {"Location": "http://127.0.0.1:1/"}), (b'{"format": "smaragdine-live", "domains": 7}', 200, {}),
     (b'{"format":"smaragdine-live","name":"x","state":"recording","start_ns":0,"domains":[],'
      b'"moments":[[1,{"a":NaN},{},0,{},{},{},false,false,false]]}', 200, {}),
     (b'{"format":"smaragdine-live","name":"x","state":"complete","start_ns":0,"domains":[],"moments":[],'
      b'"profile":{"format":"another"}}', 200, {}), (b"[" * 100_000, 200, {})],
)  # fmt: skip
def test_what_is_no_page_of_ours_ends_in_words(body: bytes, status: int, headers: dict[str, str]) -> None:
    with answering(body, status, **headers) as address:
        link = Link.to(address)
        until(lambda: link.ended, link.standing)
        assert link.standing and not link.moments


def test_nobody_at_that_port_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    link = Link.to("http://127.0.0.1:1/?token=x")
    until(lambda: "not reachable" in link.standing, link.standing)
    link.leave()


@pytest.mark.browser
def test_a_reader_pastes_an_address_and_takes_the_job_s_profile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with powercap_tree(tmp_path / "tree", "--package", "constant:100") as tree, chromium() as browser:
        monkeypatch.setenv("SMARAGDINE_POWERCAP_ROOT", str(tree.root))
        with smaragdine.record(tmp_path / "out"), served(tmp_path / "out") as job, served() as own:
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            page.goto(own.address)
            page.wait_for_selector("#constants input")
            click(page.locator("#tab").get_by_text("Live"))
            write(page.locator("#link"), "http://127.0.0.1:1/")
            click(page.get_by_role("button", name="Follow"))
            page.wait_for_function("document.querySelector('#standing').textContent.includes('no address')")
            write(page.locator("#link"), job.address)
            click(page.get_by_role("button", name="Follow"))
            page.wait_for_function("document.querySelector('#standing').textContent.includes('following')")
            page.wait_for_function("document.querySelector('#linked').textContent.includes('package-0')")
            known = Link.to(job.address)
            until(lambda: known.moments and sum(known.moments[-1].application_j.values()) > 0, "whose it is is unknown")
            known.leave()
            click(page.get_by_role("button", name="Take its profile"))
            page.wait_for_function("document.querySelector('#took').textContent.includes('so far')")
            click(page.locator("#tab").get_by_text("What if"))
            click(page.locator(".chip", has_text="so far").locator(".name"))
            page.wait_for_function("document.querySelector('#about').textContent.includes('its application alone')")
            page.close()


@pytest.mark.browser
def test_a_job_whose_power_is_modelled_says_so_on_both_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMARAGDINE_POWERCAP_ROOT", str(tmp_path / "nowhere"))
    monkeypatch.setenv("SMARAGDINE_HWMON_ROOT", str(tmp_path / "nowhere"))
    said = "selector => document.querySelector(selector)?.textContent.includes('no energy sensor was readable')"
    with (
        chromium() as browser,
        smaragdine.record(tmp_path / "out"),
        served(tmp_path / "out") as job,
        served() as own,
    ):
        page = browser.new_page(viewport={"width": 390, "height": 900})
        page.goto(job.address)
        page.wait_for_function(said, arg="header .notice")
        page.goto(f"{own.address}#tab=live")
        page.wait_for_selector("#link", state="visible")
        write(page.locator("#link"), job.address)
        click(page.get_by_role("button", name="Follow"))
        page.wait_for_function(said, arg="#linked-notice .notice")
        page.wait_for_function("document.documentElement.scrollWidth <= 390")
        page.close()
