"""What a receiver of OpenTelemetry's protocol gets of a machine, and what the daemon does where there is none."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import grpc
import pytest

from monitored import Receiver, energy_j, free_port, receiving, scrape, until, value, watched
from served import Other
from smaragdine.daemon.binary import find_binary
from testbed.hardware import Tree, powercap_tree

WATTS = 100.0
SECOND_NS = 1_000_000_000


@pytest.fixture
def steady(tmp_path: Path) -> Iterator[Tree]:
    with powercap_tree(tmp_path / "tree", "--package", f"constant:{WATTS:g}", "--dram", "constant:20") as tree:
        yield tree


def dropped(address: str) -> float:
    return value(scrape(address), "smaragdine_otlp_dropped_total")


def test_a_receiver_gets_the_joules_that_prometheus_gets_and_that_were_drawn(tmp_path: Path, steady: Tree) -> None:
    port, file = free_port(), tmp_path / "smaragdine.prom"
    options = ("--otlp", f"http://127.0.0.1:{port}", "--otlp-period", "1s", "--metrics-file", str(file))
    with receiving(Receiver(), port) as receiver:
        with watched(tmp_path / "daemon", steady, *options) as told:
            until(lambda: len(receiver.points("hw.power")) >= 8, "no power arrives")
            scraped_j = energy_j(scrape(told.address))
        points = [one for one in receiver.points("hw.energy") if one.attributes["hw.id"] == "package-0"]
        # The last that was scraped is among them, and so is the end, which the file keeps.
        assert any(one.value == scraped_j for one in points)
        assert points[-1].value == energy_j(file.read_text())
        first, last = points[0], points[-1]
        assert {one.start_ns for one in points} == {first.start_ns}
        assert [one.end_ns for one in points] == sorted(one.end_ns for one in points)
        offset_ns = time.time_ns() - time.monotonic_ns()
        drawn_j = steady.truth.energy_j("intel-rapl:0", last.start_ns - offset_ns, last.end_ns - offset_ns)
        # Both ends are known to some milliseconds on a busy machine.
        assert last.value == pytest.approx(drawn_j, abs=0.05 * WATTS)
        assert {one.attributes["hw.id"]: one.attributes for one in receiver.points("hw.energy")} == {
            name: {"hw.id": name, "hw.type": kind, "smaragdine.basis": "measured", "smaragdine.device": "CPU:0"}
            for name, kind in (("package-0", "cpu"), ("dram-0", "memory"))
        }
        assert receiver.resource()["service.name"] == "smaragdined"
        assert receiver.resource()["host.name"] == socket.gethostname()


def test_what_is_sent_is_of_a_second_or_longer_however_finely_a_recording_reads(tmp_path: Path, steady: Tree) -> None:
    port = free_port()
    options = ("--otlp", f"http://127.0.0.1:{port}", "--otlp-period", "1s")
    with receiving(Receiver(), port) as receiver, watched(tmp_path / "daemon", steady, *options) as told:
        with Other(told.socket) as client:
            client.ask("start", period_ns=1_000_000)
            until(lambda: len(receiver.points("hw.power")) >= 8, "no power arrives")
        energy = [one for one in receiver.points("hw.energy") if one.attributes["hw.id"] == "package-0"]
        power = [one for one in receiver.points("hw.power") if one.attributes["hw.id"] == "package-0"]
    arrived_s = receiver.arrived_s[:-1]
    # A register's own updates decide to within milliseconds what a second is; a busy machine's readers are late.
    assert min(later.end_ns - one.end_ns for one, later in pairwise(energy)) > 0.9 * SECOND_NS
    assert (arrived_s[-1] - arrived_s[0]) / (len(arrived_s) - 1) > 0.9
    assert all(one.end_ns - one.start_ns >= SECOND_NS for one in power)
    assert all(one.value == pytest.approx(WATTS, rel=0.05) for one in power)


def test_a_finer_period_is_refused() -> None:
    refused = serve_with("--otlp", "http://localhost:4317", "--otlp-period", "999ms")
    assert "finer than 1s" in refused


def test_an_address_that_is_none_is_refused_in_words() -> None:
    assert "write http://localhost:4317" in serve_with("--otlp", "localhost:4317")
    assert "plain gRPC" in serve_with("--otlp", "https://collector:4317")


def serve_with(*options: str) -> str:
    """What a daemon says that does not start."""
    refused = subprocess.run(
        [str(find_binary()), "serve", *options], capture_output=True, text=True, check=False, timeout=30
    )
    assert refused.returncode == 2
    return refused.stderr


def test_opentelemetrys_own_variables_hold_once_it_is_asked_for(tmp_path: Path, steady: Tree) -> None:
    port = free_port()
    environment = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}",
        "OTEL_RESOURCE_ATTRIBUTES": "rack=a%2Cb",
        "OTEL_SERVICE_NAME": "energy",
    }
    with receiving(Receiver(), port) as receiver:
        with watched(tmp_path / "unasked", steady, environment=environment):
            time.sleep(2.5)
        assert receiver.requests == []
        with watched(tmp_path / "asked", steady, "--otlp", environment=environment):
            until(lambda: receiver.requests, "nothing arrives")
        assert receiver.resource() | {"rack": "a,b", "service.name": "energy"} == receiver.resource()


def test_what_could_not_be_sent_is_sent_once_somebody_takes_it(tmp_path: Path, steady: Tree) -> None:
    port = free_port()
    options = ("--otlp", f"http://127.0.0.1:{port}", "--otlp-period", "1s")
    receiver = Receiver()
    with watched(tmp_path / "daemon", steady, *options) as told:
        # First there is nobody, then one that has no time.
        time.sleep(3)
        receiver.refusal = grpc.StatusCode.UNAVAILABLE
        with receiving(receiver, port):
            time.sleep(3)
            assert receiver.requests == []
            receiver.refusal = None
            until(lambda: len(receiver.points("hw.power")) >= 8, "nothing arrives")
            points = [one for one in receiver.points("hw.energy") if one.attributes["hw.id"] == "package-0"]
            # Each is told once.
            assert [line.split("metrics ")[1][:20] for line in told.log if "arrive by OTLP" in line] == [
                "do not arrive by OTL",
                "arrive by OTLP again",
            ]
        assert dropped(told.address) == 0
    # From the first second on, in their order.
    assert points[0].end_ns - points[0].start_ns < 2 * SECOND_NS
    assert [one.end_ns for one in points] == sorted(one.end_ns for one in points)
    assert max(later.end_ns - one.end_ns for one, later in pairwise(points)) < 3 * SECOND_NS


def test_what_a_receiver_will_never_take_is_dropped_and_counted(tmp_path: Path, steady: Tree) -> None:
    port, receiver = free_port(), Receiver()
    receiver.refusal = grpc.StatusCode.INVALID_ARGUMENT
    with receiving(receiver, port):
        options = ("--otlp", f"http://127.0.0.1:{port}", "--otlp-period", "1s")
        with watched(tmp_path / "daemon", steady, *options) as told:
            lost = until(lambda: dropped(told.address), "nothing is dropped")
            receiver.refusal = None
            until(lambda: receiver.requests, "nothing arrives")
            assert receiver.points("smaragdine.otlp.dropped")[0].value >= lost


def test_a_receiver_that_hangs_holds_nobody_up(tmp_path: Path, steady: Tree) -> None:
    with socket.socket() as silent:
        # It takes connections, and never says a word.
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        options = ("--otlp", f"http://127.0.0.1:{silent.getsockname()[1]}", "--otlp-period", "1s", "--grace", "0s")
        with watched(tmp_path / "daemon", steady, *options) as told:
            before_j = until(lambda: energy_j(scrape(told.address)), "nothing is counted")
            time.sleep(5)
            assert energy_j(scrape(told.address)) - before_j > 0.7 * 5 * WATTS
            told.process.terminate()
            # Two seconds for what is left; far below what the receiver might take.
            assert told.process.wait(timeout=9) == 0


def test_sums_of_a_daemon_that_is_started_again_begin_anew(tmp_path: Path, steady: Tree) -> None:
    port = free_port()
    options = ("--otlp", f"http://127.0.0.1:{port}", "--otlp-period", "1s")
    lives = []
    with receiving(Receiver(), port) as receiver:
        for _ in range(2):
            with watched(tmp_path / "daemon", steady, *options):
                until(lambda: len(receiver.points("hw.power")) >= 4, "nothing arrives")
            lives.append([one for one in receiver.points("hw.energy") if one.attributes["hw.id"] == "package-0"])
            receiver.requests.clear()
    first, second = lives
    # A start that is later than all of before is a reset, as the data model of OpenTelemetry has it.
    assert {one.start_ns for one in second} == {second[0].start_ns}
    assert second[0].start_ns > first[-1].end_ns
    assert second[0].value < first[-1].value
