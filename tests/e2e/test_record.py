"""The record of a run: what ran, on what, and what it used, by the installed commands and a real daemon."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import smaragdine
from accounted import gpus
from smaragdine import Trace
from smaragdine.recording import metrics
from testbed.hardware import Tree

pytestmark = pytest.mark.daemon

COMMAND = [sys.executable, "-m", "smaragdine"]


@pytest.fixture(autouse=True)
def registers(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SMARAGDINE_SOCKET", "SMARAGDINE_RECORDING"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SMARAGDINE_POWERCAP_ROOT", str(tree.root))
    monkeypatch.setenv("SMARAGDINE_NVML_LIBRARY", "/nonexistent")
    monkeypatch.setattr(metrics, "_REGISTERED", {})


def recorded(output: Path, *command: str) -> Trace:
    subprocess.run([*COMMAND, "run", "-o", str(output), "--", *command], check=True, capture_output=True)
    return Trace.open(output)


def rows(trace: Trace, metric: str, scope: str) -> list[float]:
    query = "select value from metrics where metric = ? and scope = ? order by time_ns"
    return [value for (value,) in trace.rows(query, metric, scope)]


def test_a_command_s_trace_tells_what_ran_and_what_it_used(tmp_path: Path) -> None:
    code = "import time; held = bytearray(80_000_000); end = time.monotonic() + 2.5\n"
    code += "while time.monotonic() < end: sum(range(999))"
    trace = recorded(tmp_path / "out", sys.executable, "-c", code, "--api-key", "S3CRET", "caf\udce9")
    program = trace.metadata.program
    assert program is not None
    assert program.command[0] == sys.executable and program.command[-3:-1] == ("--api-key", "[redacted]")
    # Run by this interpreter, so its packages are ours.
    assert "numpy" in program.packages
    assert "S3CRET" not in (tmp_path / "out" / "trace.json").read_text()
    used = rows(trace, "cpu_time", "application")
    assert len(used) >= 3 and used == sorted(used)
    # The interpreter's start lies within; others use the machine as well, so it may have got little of it.
    assert 0.05 < used[-1] < 10
    assert trace.cpu_h == pytest.approx(used[-1] / 3600)
    assert trace.gpu_h == 0.0
    assert max(rows(trace, "memory_resident", "application")) > 80_000_000
    assert len(rows(trace, "memory_proportional", "application")) <= 1
    units = {one.name: one.unit for one in trace.metadata.metrics}
    assert (units["cpu_time"], units["memory_resident"]) == ("s", "bytes")
    assert trace.metadata.metrics_cpu_s is not None
    statement = json.loads(trace.statement().write("json"))
    assert statement["cpu_h"] == pytest.approx(trace.cpu_h) and statement["gpu_h"] == 0.0
    assert trace.metadata.software["smaragdine"] and trace.metadata.software["smaragdined"]


def test_a_metric_that_is_added_from_outside_lands_beside_the_daemon_s(tmp_path: Path) -> None:
    depths = iter(range(1000))
    smaragdine.metric("queue_depth", unit="requests", function=lambda: {"in": next(depths), "out": 0.5})
    with smaragdine.record(tmp_path / "out"):
        time.sleep(1.5)
    trace = Trace.open(tmp_path / "out")
    assert rows(trace, "queue_depth", "in")[:2] == [0.0, 1.0]
    assert set(rows(trace, "queue_depth", "out")) == {0.5}
    assert "requests" in {one.unit for one in trace.metadata.metrics if one.name == "queue_depth"}
    # The last look is the recording's last act, a moment after its end was asked for.
    outside = "select count(*) from metrics where time_ns < ? or time_ns > ? + 5e9"
    assert trace.rows(outside, trace.metadata.start_ns, trace.metadata.end_ns) == [(0,)]


def test_what_a_gpu_did_and_how_long_it_was_held_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, library = gpus(tmp_path, f"gpus = 2\ngpu.0.busy = 50\ngpu.0.processes = {os.getpid()}\n")
    monkeypatch.setenv("SMARAGDINE_NVML_LIBRARY", library)
    with smaragdine.record(tmp_path / "out"):
        time.sleep(2.2)
    trace = Trace.open(tmp_path / "out")
    assert set(rows(trace, "gpu_utilisation", "GPU:0")) == {0.5}
    assert set(rows(trace, "gpu_utilisation", "application/GPU:0")) == {0.5}
    assert set(rows(trace, "gpu_held", "application/GPU:1")) == {0.0}
    assert trace.metadata.software["nvidia-driver"] == "570.86.15"
    ((first, last),) = trace.rows("select min(time_ns), max(time_ns) from metrics where metric = 'gpu_held'")
    # One of two GPUs, for as long as they were looked at.
    assert trace.gpu_h == pytest.approx((last - first) / 1e9 / 3600)
    assert trace.gpu_used_h == pytest.approx(trace.gpu_h / 2)


def test_metrics_of_a_run_that_was_killed_are_kept_up_to_its_last_second(tmp_path: Path) -> None:
    code = (
        f"import smaragdine, time\nsmaragdine.metric('mine', unit='1', function=lambda: 1.0)\n"
        f"with smaragdine.record({str(tmp_path / 'out')!r}):\n    print('on', flush=True)\n    time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(3.2)
        process.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 60
    recover = [*COMMAND, "recover", str(tmp_path / "out")]
    while subprocess.run(recover, capture_output=True, check=False).returncode:
        assert time.monotonic() < deadline
        time.sleep(0.5)
    trace = Trace.open(tmp_path / "out")
    assert trace.metadata.state == "cut"
    assert len(rows(trace, "cpu_time", "application")) >= 3
    assert set(rows(trace, "mine", "application")) == {1.0}
    assert {one.name: one.unit for one in trace.metadata.metrics}["cpu_time"] == "s"


def test_nothing_of_the_environment_is_in_a_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_API_KEY", "S3CRETENVIRONMENT")
    recorded(tmp_path / "out", sys.executable, "-c", "pass")
    assert not any(b"S3CRETENVIRONMENT" in file.read_bytes() for file in (tmp_path / "out").iterdir())


def test_a_trace_without_the_table_opens_as_before(tmp_path: Path) -> None:
    trace = Trace.open(Path(__file__).parents[1] / "fixtures" / "traces" / "demo")
    assert trace.rows("select * from metrics") == []
    assert (trace.cpu_h, trace.gpu_h, trace.metadata.program, trace.metrics) == (None, None, None, [])
