"""Recording: what a program says arrives, and whatever happens the program goes on and its trace is kept."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from conftest import Told

import smaragdine
from smaragdine.cli.ending import exit_code
from smaragdine.daemon.messages import Format
from smaragdine.errors import SmaragdineError
from smaragdine.frameworks.record import Recording


def state(output: Path) -> str:
    return str(json.loads((output / "trace.json").read_text())["state"])


def test_a_recording_leaves_its_trace_in_output(told: Told, tmp_path: Path) -> None:
    with smaragdine.record(tmp_path / "out", period="2ms", labels={"site": "lab"}) as recording:
        running = json.loads((tmp_path / "out" / "trace.json").read_text())
        assert running["state"] == "recording"
        assert running["recording"] == recording.id
        assert Path(running["socket"]).is_socket()
        with recording.step(samples=8) as mark:
            mark.metrics["loss"] = 0.5
            recording.events([smaragdine.Event("net/dense/MatMul", 1, 2)])
        with recording.step():
            pass
    assert recording.state == "complete"
    assert recording.path == tmp_path / "out"
    assert (tmp_path / "out" / "readings.parquet").read_bytes() == b"PAR1"
    assert state(tmp_path / "out") == "complete"
    start = told.all("start")[0]
    assert (start["name"], start["period_ns"], start["labels"]) == ("out", "2000000", {"site": "lab"})
    first, second = told.all("step")
    assert first["samples"] == "8"
    assert first["metrics"] == {"loss": 0.5}
    assert first["traced"]
    assert second["step"] == "1"
    assert "traced" not in second
    assert int(first["end_ns"]) <= int(second["start_ns"])
    assert told.all("events")[0]["ops"][0]["qtn"] == "net/dense/MatMul"


def test_the_private_daemon_ends_with_the_recording_and_leaves_nothing_behind(told: Told, tmp_path: Path) -> None:
    with smaragdine.record(tmp_path / "out") as recording:
        state_dir = Path(json.loads((tmp_path / "out" / "trace.json").read_text())["state_dir"])
        serving = told.wait_for("serving")
        assert serving["session"] == serving["pid"] != os.getsid(0)
    told.wait_for("lifeline")
    assert not state_dir.exists()
    assert not recording.socket.parent.exists()
    assert "serving" in (tmp_path / "out" / "daemon.log").read_text()


def test_an_operation_is_described_once(told: Told, tmp_path: Path) -> None:
    with smaragdine.record(tmp_path / "out") as recording:
        for start in (1, 5):
            recording.events([smaragdine.Event("a", start, start + 1), smaragdine.Event("b", start + 1, start + 2)])
    first, second = told.all("events")
    assert [op["qtn"] for op in first["ops"]] == ["a", "b"]
    assert "ops" not in second
    assert [event.get("op", 0) for event in second["events"]] == [0, 1]


def test_a_profile_of_many_pieces_arrives_whole(told: Told, tmp_path: Path) -> None:
    with smaragdine.record(tmp_path / "out") as recording:
        assert recording.profile(Format.XSPACE, bytes(5_000_001))
    assert [(one["format"], one["size"]) for one in told.all("profile")] == [(1, 5_000_001)]


def test_a_second_recording_of_a_finished_output_goes_beside_it_and_says_so(
    told: Told, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for expected in ("out", "out-2", "out-3"):
        with smaragdine.record(tmp_path / "out") as recording:
            pass
        assert recording.path == tmp_path / expected
    assert f"this one goes to {tmp_path / 'out-2'}" in caplog.text


def test_code_that_raises_keeps_its_exception_and_its_trace(told: Told, tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), smaragdine.record(tmp_path / "out"):
        _ = 1 / 0
    assert state(tmp_path / "out") == "complete"
    assert "ZeroDivisionError" in told.all("note")[0]["text"]


def test_ctrl_c_saves_the_trace(told: Told, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), smaragdine.record(tmp_path / "out"):
        raise KeyboardInterrupt
    assert state(tmp_path / "out") == "complete"


@pytest.mark.parametrize("fault", ["die", "fetch", "outside"])
def test_a_daemon_that_fails_later_never_fails_the_program(
    fault: str, told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("FAKE_FAULT", fault)
    with smaragdine.record(tmp_path / "out") as recording:
        for _ in range(3):
            with recording.step():
                pass
            time.sleep(0.05)
    assert recording.state == "failed"
    running = json.loads((tmp_path / "out" / "trace.json").read_text())
    assert running["state"] == "recording"
    assert Path(running["state_dir"]).is_dir(), "what was measured is kept for `recover`"
    assert "smaragdine recover" in caplog.text
    assert not (tmp_path / "outside").exists()


def test_messages_after_the_daemon_ended_the_recording_are_ignored(
    told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_FAULT", "stop")
    with smaragdine.record(tmp_path / "out") as recording:
        recording.note("first")
        told.wait_for("note")
        while not recording.paused:
            time.sleep(0.01)
        recording.note("second")
        assert not recording.profile(Format.XSPACE, b"late")
    assert recording.state == "complete"
    assert [note["text"] for note in told.all("note")] == ["first"]


@pytest.mark.parametrize("fault", ["start", "version", "startup"])
def test_a_recording_that_is_required_and_cannot_start_says_why_and_leaves_output_as_it_was(
    fault: str, told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_FAULT", fault)
    with pytest.raises(SmaragdineError) as raised, smaragdine.record(tmp_path / "out", require_measured=True):
        raise AssertionError("the program must not run")
    assert (bool(raised.value.hint), exit_code(raised.value)) == (True, 3)
    assert not (tmp_path / "out").exists()
    expected = {"start": "the journal cannot be created", "version": "protocol 99", "startup": "already in use"}
    assert expected[fault] in raised.value.message


def test_no_sensor_is_one_warning_unless_one_is_required(
    told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("FAKE_FAULT", "modelled")
    with smaragdine.record(tmp_path / "out") as recording:
        assert recording.basis == "modelled"
    assert caplog.text.count("no energy sensor was readable") == 1
    with pytest.raises(SmaragdineError) as raised:
        Recording.start(tmp_path / "required", require_measured=True)
    assert (exit_code(raised.value), raised.value.hint) == (3, "ask for one")


def test_inside_another_recording_the_outer_trace_is_joined(
    told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with smaragdine.record(tmp_path / "outer") as outer:
        monkeypatch.setenv("SMARAGDINE_RECORDING", f"{outer.socket}|{outer.id}")
        with smaragdine.record(tmp_path / "inner") as inner, inner.step():
            pass
        assert inner.path is None
        assert inner.id == outer.id
        assert told.all("stop") == []
        assert len(told.all("step")) == 1
    assert not (tmp_path / "inner").exists()
    assert len(told.all("start")) == 1


def test_where_the_outer_recording_is_elsewhere_a_process_records_by_itself(
    told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """`smaragdine run -- srun …` hands its environment to other machines."""
    monkeypatch.setenv("SMARAGDINE_RECORDING", f"{tmp_path / 'of-another-machine'}|r-7")
    with smaragdine.record(tmp_path / "inner") as inner, inner.step():
        pass
    assert inner.path == tmp_path / "inner"
    assert "this process records by itself" in caplog.text


def test_a_full_queue_drops_and_counts_and_never_waits(
    told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("FAKE_FAULT", "slow")
    monkeypatch.setattr(
        "smaragdine.recording.sender.Sender.__init__.__kwdefaults__", {"most_messages": 3, "most_bytes": 1 << 20}
    )
    with smaragdine.record(tmp_path / "out") as recording:
        for _ in range(50):
            recording.note("hello")
    texts = [note["text"] for note in told.all("note")]
    arrived = texts.count("hello")
    assert 3 <= arrived < 50
    assert f"{50 - arrived} messages were dropped" in caplog.text
    assert f"{50 - arrived} messages were dropped" in texts[-1]


PROGRAM = """
import sys, time, smaragdine
def train():
    with smaragdine.record(sys.argv[1]) as recording:
        for _ in range(600):
            with recording.step():
                time.sleep(0.05)
train()
"""


def started(told: Told, output: Path) -> subprocess.Popen[bytes]:
    program = subprocess.Popen([sys.executable, "-c", PROGRAM, str(output)])
    told.wait_for("step")
    return program


def test_sigterm_finishes_the_trace_and_still_ends_the_process(told: Told, tmp_path: Path) -> None:
    program = started(told, tmp_path / "out")
    program.send_signal(signal.SIGTERM)
    assert program.wait(30) == -signal.SIGTERM
    assert state(tmp_path / "out") == "complete"


def test_a_killed_process_leaves_its_trace_with_the_daemon_which_ends(told: Told, tmp_path: Path) -> None:
    program = started(told, tmp_path / "out")
    program.kill()
    program.wait(30)
    told.wait_for("lifeline")
    running = json.loads((tmp_path / "out" / "trace.json").read_text())
    assert running["state"] == "recording"
    assert Path(running["state_dir"]).is_dir()


def test_a_program_that_exits_without_leaving_its_recording_still_saves_it(told: Told, tmp_path: Path) -> None:
    code = "import sys; from smaragdine.frameworks.record import Recording; Recording.start(sys.argv[1]).note('x')"
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "out")], check=True)
    assert state(tmp_path / "out") == "complete"


def test_a_forked_worker_neither_ends_the_recording_nor_keeps_the_daemon(told: Told, tmp_path: Path) -> None:
    code = """
import os, sys, time, smaragdine
with smaragdine.record(sys.argv[1]) as recording:
    if os.fork() == 0:
        recording.finish()
        time.sleep(60)
        os._exit(0)
    recording.note("from the parent")
os.wait()
"""
    program = subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "out")], start_new_session=True)
    told.wait_for("lifeline")
    os.killpg(program.pid, signal.SIGKILL)
    program.wait(30)
    assert state(tmp_path / "out") == "complete"
    assert told.all("note")[0]["text"] == "from the parent"


def test_finishing_from_two_threads_finishes_once(told: Told, tmp_path: Path) -> None:
    recording = Recording.start(tmp_path / "out")
    threads = [threading.Thread(target=recording.finish) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert recording.state == "complete"
    assert len(told.all("stop")) == len(told.all("fetch")) == 1


def test_remarks_of_the_daemon_reach_the_user(told: Told, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "smaragdine"), smaragdine.record(tmp_path / "out"):
        pass
    assert "the sampler was late once" in caplog.text
