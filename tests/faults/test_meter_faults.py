"""Meters outside the machine, told by local servers and programs: right within their refresh, or a gap.

Each test is one row of docs/reliability.md. All go through a real daemon, beside a powercap tree that moves.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from accounted import record, serving
from smaragdine import Trace
from smaragdine.cli import main
from smaragdine.daemon.binary import find_binary
from smaragdine.trace.explained import explained
from testbed.hardware import powercap_tree

WALL_W = 200.0
# The package's 100 W and the memory's 10 W, which the tree draws.
COUNTED_W = 110.0
SECRET = 'calv\\in"s'
Recorder = Callable[..., Trace]


@pytest.fixture
def recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Recorder:
    """Records beside a meter until the tree is so old."""

    def go(*options: str, until_s: float = 6.0) -> Trace:
        tree_root = tmp_path / "tree"
        with (
            powercap_tree(tree_root, "--package", "constant:100", "--dram", "constant:10") as tree,
            serving(tmp_path, monkeypatch, tree_root / "class" / "powercap", *options),
        ):
            return record(tmp_path / "out", tree, until_s)

    return go


def rows(trace: Trace) -> list[tuple[float, float, list[str]]]:
    """Joules, seconds and flags of each reading of the wall."""
    query = "select energy_j, (end_ns - start_ns) / 1e9, flags from readings where domain = 'wall' order by start_ns"
    return trace.sql(query).fetchall()


def known(trace: Trace) -> list[tuple[float, float]]:
    doubts = {"lost", "impossible", "reset", "standing"}
    return [(energy_j, seconds) for energy_j, seconds, flags in rows(trace) if not doubts & set(flags)]


def holds(trace: Trace, least_s: float = 1.0) -> None:
    """Whatever is known of the wall is its 200 W, and nothing is made up where it is not; it is never counted."""
    assert sum(seconds for _, seconds in known(trace)) >= least_s, rows(trace)
    assert all(energy_j == pytest.approx(WALL_W * seconds, rel=1e-3) for energy_j, seconds in known(trace)), rows(trace)
    assert sum(row[0] for row in rows(trace)) == pytest.approx(sum(energy_j for energy_j, _ in known(trace)))
    assert "wall" not in [domain.name for domain in trace.metadata.counted]


@contextmanager
def stream(path: Path, form: Callable[[float], str], header: str = "") -> Iterator[None]:
    """A file to which a meter writes a line ten times a second, of the seconds since it began."""
    start, stop = time.time(), threading.Event()
    path.write_text(header)

    def write() -> None:
        with path.open("a") as file:
            while not stop.wait(0.1):
                file.write(form(time.time() - start).replace("NOW_NS", str(time.time_ns())) + "\n")
                file.flush()

    thread = threading.Thread(target=write, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


STREAMS: dict[str, tuple[str, Callable[[float], str]]] = {
    "line protocol in watts": ("", lambda s: f"power,host=n1 volts=230,watts={WALL_W} NOW_NS"),
    "CSV in watts": ("time_s,volts,power_w\n", lambda s: f"{time.time():.6f},230,{WALL_W}"),
    "CSV in joules": ("time_s,energy_j\n", lambda s: f"{time.time():.9f},{5000 + WALL_W * time.time() % 1e9:.6f}"),
}


@pytest.mark.parametrize(("header", "form"), STREAMS.values(), ids=STREAMS)
def test_a_stream_of_a_meter_tells_what_the_counted_domains_explain(
    recorded: Recorder, tmp_path: Path, capsys: pytest.CaptureFixture[str], header: str, form: Callable[[float], str]
) -> None:
    with stream(tmp_path / "strip", form, header):
        trace = recorded("--meter", f"stream:{tmp_path / 'strip'}", until_s=8)
    holds(trace)
    (wall,) = explained(trace)
    # Ten values a second, which the trace merges to a second.
    assert wall.refresh_s is not None
    assert 0.1 <= wall.refresh_s <= 1.1
    assert wall.share == pytest.approx(COUNTED_W / WALL_W, rel=0.01)
    assert main(["ledger", str(trace.path), "--format", "json"]) == 0
    (told,) = json.loads(capsys.readouterr().out)["explained"]
    assert told["domain"] == "wall"
    assert told["share_error"] == pytest.approx(told["share"] * wall.refresh_s / wall.seconds)


def fault(bad: str) -> Callable[[float], str]:
    """A stream that tells something else from its third second on, for half a second."""
    return lambda s: bad if 3 <= s < 3.5 else f"m watts={WALL_W} NOW_NS"


FAULTS = {
    "garbage": fault("%&/( no number \x00"),
    "power that no machine draws": fault("m watts=65535000 NOW_NS"),
    "power of nothing": fault("m watts=0 NOW_NS"),
    "stamps that run backwards": fault("m watts=999 1000000000000000000"),
    "stamps of the future": fault("m watts=999 4000000000000000000"),
}


@pytest.mark.parametrize("form", FAULTS.values(), ids=FAULTS)
def test_what_a_stream_tells_that_cannot_be_is_a_gap(
    recorded: Recorder, tmp_path: Path, form: Callable[[float], str]
) -> None:
    with stream(tmp_path / "strip", form):
        trace = recorded("--meter", f"stream:{tmp_path / 'strip'}")
    holds(trace)
    unknown_s = sum(seconds for _, seconds, flags in rows(trace) if "lost" in flags)
    assert 0.4 < unknown_s < 2, rows(trace)


def test_a_meter_below_what_is_counted_is_told(recorded: Recorder, tmp_path: Path) -> None:
    with stream(tmp_path / "strip", lambda s: "m watts=50 NOW_NS"):
        trace = recorded("--meter", f"strip=stream:{tmp_path / 'strip'}", until_s=4)
    (told,) = [warning for warning in trace.metadata.warnings if "one of them is wrong" in warning]
    assert "meter-strip" in told


class Controller(BaseHTTPRequestHandler):
    """A Redfish service; `behave` of the server answers each request."""

    def do_GET(self) -> None:
        behave: Callable[[Controller, int], None] = self.server.behave  # type: ignore[attr-defined]
        self.server.asked += 1  # type: ignore[attr-defined]
        behave(self, self.server.asked)  # type: ignore[attr-defined]

    def answer(self, code: int, body: bytes) -> None:
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def power(self, watts: float = WALL_W) -> None:
        self.answer(200, json.dumps({"PowerControl": [{"PowerConsumedWatts": watts}]}).encode())

    def log_message(self, *told: object) -> None:
        pass


@contextmanager
def controller(behave: Callable[[Controller, int], None], own: Path | None = None) -> Iterator[str]:
    """Serves over TLS where it has a certificate of its `own`, with its key."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Controller) as server:
        server.daemon_threads = True
        server.asked, server.behave = 0, behave  # type: ignore[attr-defined]
        if own is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(own)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            scheme = "http" if own is None else "https"
            yield f"{scheme}://127.0.0.1:{server.server_port}/redfish/v1/Chassis/1/Power"
        finally:
            server.shutdown()


def credentials(directory: Path, password: str = SECRET, mode: int = 0o600) -> Path:
    path = directory / "credentials"
    path.write_text(f"root:{password}\n")
    path.chmod(mode)
    return path


def test_redfish_is_asked_with_credentials_that_nobody_else_sees(recorded: Recorder, tmp_path: Path) -> None:
    wanted = "Basic " + base64.b64encode(f"root:{SECRET}".encode()).decode()
    arguments: set[str] = set()

    def behave(request: Controller, asked: int) -> None:
        for process in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                arguments.add(process.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
            except OSError:
                continue
        if request.headers.get("Authorization") == wanted:
            request.power()
        else:
            request.answer(401, b"")

    with controller(behave) as address:
        trace = recorded("--meter", address, "--meter-credentials", str(credentials(tmp_path)))
    holds(trace)
    assert any("curl" in argument for argument in arguments)
    assert not any(SECRET in argument for argument in arguments)
    kept = [path for path in trace.path.rglob("*") if path.is_file()]
    assert not any(SECRET.encode() in path.read_bytes() or b"calv" in path.read_bytes() for path in kept)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl makes a certificate here")
@pytest.mark.parametrize("trusted", [True, False])
def test_a_controllers_certificate_is_trusted_only_where_its_authority_is_named(
    recorded: Recorder, tmp_path: Path, *, trusted: bool
) -> None:
    own = tmp_path / "own.pem"
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=bmc"]
    make += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(own), "-out", str(tmp_path / "certificate.pem")]
    subprocess.run(make, check=True, capture_output=True)
    own.write_text(own.read_text() + (tmp_path / "certificate.pem").read_text())
    with controller(lambda request, asked: request.power(), own) as address:
        options = ["--meter", address]
        if trusted:
            options += ["--meter-authorities", str(tmp_path / "certificate.pem")]
        trace = recorded(*options)
    if trusted:
        holds(trace)
    else:
        assert known(trace) == []


def test_a_command_is_recorded_beside_a_meter(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output, strip = tmp_path / "out", tmp_path / "strip"
    with (
        powercap_tree(tmp_path / "tree", "--package", "constant:100", "--dram", "constant:10") as tree,
        stream(strip, lambda s: f"m watts={WALL_W} NOW_NS"),
    ):
        command = [sys.executable, "-m", "smaragdine", "run", "-o", str(output), "--meter", f"stream:{strip}", "--"]
        environment = {**os.environ, "SMARAGDINE_POWERCAP_ROOT": str(tree.root)}
        subprocess.run([*command, "sleep", "8"], env=environment, check=True, timeout=120)
    holds(Trace.open(output))
    assert main(["ledger", str(output), "--format", "csv"]) == 0
    assert "explain" in capsys.readouterr().out


def hang(request: Controller) -> None:
    time.sleep(20)


def cut(request: Controller) -> None:
    request.send_response(200)
    request.send_header("Content-Length", "1000")
    request.end_headers()
    request.wfile.write(b'{"Power')


ANSWERS: dict[str, Callable[[Controller], None]] = {
    "status 500": lambda request: request.answer(500, b"no"),
    "status 401": lambda request: request.answer(401, b""),
    "garbage": lambda request: request.answer(200, b"<html>"),
    "impossible": lambda request: request.power(65_535_000),
    "cut": cut,
    "hanging": hang,
}


@pytest.mark.parametrize("bad", ANSWERS.values(), ids=ANSWERS)
def test_an_answer_of_redfish_that_is_none_is_a_gap(recorded: Recorder, bad: Callable[[Controller], None]) -> None:
    # Values of two seconds each: two that are right, one that is none, and more that are right.
    with controller(lambda request, asked: bad(request) if asked == 3 else request.power()) as address:
        trace = recorded("--meter", address, until_s=14 if bad is hang else 10)
    holds(trace)
    assert any("lost" in flags for _, _, flags in rows(trace)), rows(trace)


def program(path: Path, script: str) -> Path:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


READING = "echo '    Instantaneous power reading:     200 Watts'; echo '    Power reading state is:  activated'"


def test_ipmi_is_asked_through_its_program(recorded: Recorder, tmp_path: Path) -> None:
    asked = tmp_path / "asked"
    ipmitool = program(tmp_path / "ipmitool", f'echo "$@" >> {asked}; {READING}')
    holds(recorded("--meter", f"ipmi:{ipmitool}"))
    assert set(asked.read_text().splitlines()) == {"dcmi power reading"}


SCRIPTS = {"code": "exit 1", "hanging": "sleep 30", "off": READING.replace("activated", "deactivated")}


@pytest.mark.parametrize("bad", SCRIPTS.values(), ids=SCRIPTS)
def test_a_program_of_ipmi_that_does_not_answer_is_a_gap(recorded: Recorder, tmp_path: Path, bad: str) -> None:
    count = tmp_path / "count"
    script = f"echo >> {count}; if [ $(wc -l < {count}) = 3 ]; then {bad}; else {READING}; fi"
    trace = recorded("--meter", f"ipmi:{program(tmp_path / 'tool', script)}", until_s=14 if "30" in bad else 10)
    holds(trace)
    assert any("lost" in flags for _, _, flags in rows(trace)), rows(trace)


def test_credentials_that_others_may_read_are_refused(tmp_path: Path) -> None:
    told = credentials(tmp_path, mode=0o644)
    command: list[Any] = [find_binary(), "serve", "--socket", tmp_path / "s", "--state-dir", tmp_path / "state"]
    command += ["--meter", "http://127.0.0.1:9/x", "--meter-credentials", told]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=dict(os.environ))
    assert done.returncode != 0
    assert "others may read" in done.stderr
    assert "chmod 600" in done.stderr
    assert SECRET not in done.stderr
