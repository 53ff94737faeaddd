"""The fault suite of a training with a daemon of its own: what is left of its energy where either is killed, or its
home is a network's. One row of docs/reliability.md each."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from served import Recorded, wait_until
from smaragdine.cli import main
from testbed.hardware import Tree

# What a training does: it says how far it is, and lets the fault come.
TRAINING = """
import sys, time, smaragdine
with smaragdine.record(sys.argv[1]) as recording:
    for step in range(10_000):
        with recording.step():
            time.sleep(0.01)
        print(step, flush=True)
"""


FIRST_STEPS = 200


@contextmanager
def training(output: Path, tree: Tree, temporary: Path, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """A program that records itself with a daemon of its own, some steps after its start."""
    temporary.mkdir(exist_ok=True)
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("SMARAGDINE_S", "XDG_RUNTIME"))}
    fakes = {"SMARAGDINE_POWERCAP_ROOT": str(tree.root), "SMARAGDINE_NVML_LIBRARY": "/nonexistent"}
    fakes["SMARAGDINE_HWMON_ROOT"] = "/nonexistent"
    command = [sys.executable, "-c", TRAINING, str(output)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=clean | {"TMPDIR": str(temporary)} | fakes | environment
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if int(line) == FIRST_STEPS:
                break
        yield process
        process.kill()


def private_daemon(output: Path) -> int:
    """The pid of the daemon that records into `output`."""
    socket = json.loads((output / "trace.json").read_text())["socket"]
    listed = subprocess.run(["pgrep", "-f", f"serve --socket {socket} "], capture_output=True, text=True, check=True)
    return int(listed.stdout)


def last_step(process: subprocess.Popen[str]) -> int:
    """The last step that a program told of before it died."""
    assert process.stdout is not None
    return int([str(FIRST_STEPS), *process.stdout.read().splitlines()][-1])


def test_a_training_that_is_killed_is_recovered_but_for_the_last_second(tree: Tree, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with training(out, tree, tmp_path / "tmp") as process:
        daemon = private_daemon(out)
        process.kill()
        last = last_step(process)
    wait_until(lambda: not Path(f"/proc/{daemon}").exists())
    assert main(["recover", str(out)]) == 0
    trace = Recorded(out)
    trace.assert_whole(tree, state="cut")
    ((recovered,),) = trace.sql("select max(step) from {steps}")
    # A step takes 10 ms and more.
    assert last - recovered <= 100
    assert list((tmp_path / "tmp").iterdir()) == []


def test_a_daemon_that_is_killed_loses_at_most_the_last_second_and_the_training_goes_on(
    tree: Tree, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    with training(out, tree, tmp_path / "tmp") as process:
        daemon = private_daemon(out)
        before_ns = time.monotonic_ns()
        os.kill(daemon, signal.SIGKILL)
        assert process.stdout is not None
        told = int(process.stdout.readline())
        while int(process.stdout.readline()) < told + 20:
            pass
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == -signal.SIGTERM
    assert main(["recover", str(out)]) == 0
    trace = Recorded(out)
    trace.assert_whole(tree, state="cut")
    lost_ns = before_ns - (trace.metadata["end_ns"] - trace.metadata["realtime_offset_ns"])
    assert lost_ns <= 1_000_000_000
    ((steps,),) = trace.sql("select count(*) from {steps}")
    assert told - steps <= 100


def test_a_job_that_gets_sigterm_everywhere_saves_everything_within_30_seconds(tree: Tree, tmp_path: Path) -> None:
    """As batch systems end a job: every process of it is told, the daemon as well as the training."""
    out = tmp_path / "out"
    with training(out, tree, tmp_path / "tmp") as process:
        daemon = private_daemon(out)
        start = time.monotonic()
        os.kill(daemon, signal.SIGTERM)
        process.send_signal(signal.SIGTERM)
        last = last_step(process)
        assert process.wait(30) == -signal.SIGTERM
        wait_until(lambda: not Path(f"/proc/{daemon}").exists(), 30 - (time.monotonic() - start))
    trace = Recorded(out)
    trace.assert_whole(tree)
    ((recovered,),) = trace.sql("select max(step) from {steps}")
    assert recovered >= last
    assert list((tmp_path / "tmp").iterdir()) == []


def test_a_network_home_gets_the_trace_and_nothing_else(
    tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    for place in ("tmp", "run"):
        (home / place).mkdir(parents=True)
    mounts = tmp_path / "mountinfo"
    real = Path("/proc/self/mountinfo").read_text()
    mounts.write_text(f"{real}99 1 0:99 / {home} rw - nfs4 server:/home rw\n")
    monkeypatch.setattr("smaragdine.files.local._MOUNTS", mounts)
    monkeypatch.setattr("tempfile.tempdir", str(home / "tmp"))
    monkeypatch.setattr("smaragdine.daemon.running.SYSTEM_SOCKET", tmp_path / "none")
    for name, value in {
        "XDG_RUNTIME_DIR": str(home / "run"),
        "HOME": str(home),
        "SMARAGDINE_POWERCAP_ROOT": str(tree.root),
        "SMARAGDINE_NVML_LIBRARY": "/nonexistent",
        "SMARAGDINE_HWMON_ROOT": "/nonexistent",
    }.items():
        monkeypatch.setenv(name, value)
    import smaragdine

    with smaragdine.record(home / "out") as recording:
        running = json.loads((home / "out" / "trace.json").read_text())
        time.sleep(2)
    for place in (running["state_dir"], running["socket"], recording.socket):
        assert not Path(place).is_relative_to(home)
    assert list((home / "tmp").iterdir()) == []
    Recorded(home / "out").assert_whole(tree)
