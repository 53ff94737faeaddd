"""Whatever keeps a training from being recorded, it runs; only what its user has to put right is an error before."""

from __future__ import annotations

import os
import socket as sockets
import subprocess
import sys
import tempfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest
from conftest import Told, state
from test_disk_faults import fill, small_disk

import smaragdine
from served import needs_root
from smaragdine.cli import main
from smaragdine.cli.ending import exit_code
from smaragdine.daemon.messages import Format
from smaragdine.errors import SmaragdineError, UsageError
from smaragdine.frameworks.record import Recording

needs_tensorflow = pytest.mark.skipif(find_spec("tensorflow") is None, reason="TensorFlow is not installed")
Place = Callable[[pytest.MonkeyPatch, Path], Path | None]


def fault(name: str) -> Place:
    return lambda monkeypatch, there: monkeypatch.setenv("FAKE_FAULT", name)


def environment(**values: str) -> Place:
    def place(monkeypatch: pytest.MonkeyPatch, there: Path) -> None:
        for name, value in values.items():
            monkeypatch.setenv(name, value.format(there=there))

    return place


def binary(text: str) -> Place:
    return lambda monkeypatch, there: Path(os.environ["SMARAGDINE_BIN"]).write_text(text) and None


def never_serves(monkeypatch: pytest.MonkeyPatch, there: Path) -> None:
    monkeypatch.setattr("smaragdine.daemon.private.START_TIMEOUT_S", 0.3)
    binary("#!/bin/sh\nexec sleep 600\n")(monkeypatch, there)


def stale(monkeypatch: pytest.MonkeyPatch, there: Path) -> None:
    with sockets.socket(sockets.AF_UNIX) as listener:
        listener.bind(str(there / "stale"))
    monkeypatch.setenv("SMARAGDINE_SOCKET", str(there / "stale"))


def stale_outer(monkeypatch: pytest.MonkeyPatch, there: Path) -> None:
    stale(monkeypatch, there)
    monkeypatch.setenv("SMARAGDINE_RECORDING", f"{there / 'stale'}|r-7")


def not_installed(monkeypatch: pytest.MonkeyPatch, there: Path) -> None:
    monkeypatch.delenv("SMARAGDINE_BIN")
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    monkeypatch.setattr("smaragdine.daemon.binary._candidates", lambda: iter([there / "smaragdined"]))


def raises(where: str, error: Exception) -> Place:
    def broken(*_: object, **__: object) -> None:
        raise error

    return lambda monkeypatch, there: monkeypatch.setattr(where, broken)


def below_a_file(monkeypatch: pytest.MonkeyPatch, there: Path) -> Path:
    (there / "file").touch()
    return there / "file" / "out"


def no_room(monkeypatch: pytest.MonkeyPatch, there: Path) -> None:
    monkeypatch.setattr("smaragdine.files.local._places", lambda: iter([there / "nowhere"]))


# What keeps a recording from starting, and what is said of it. A place may name another OUTPUT.
REASONS: dict[str, tuple[Place, str]] = {
    "not installed": (not_installed, "smaragdined is not installed"),
    "no binary": (environment(SMARAGDINE_BIN="{there}/nothing"), "no executable file"),
    "another machine's binary": (binary("\x7fELF rubbish"), "cannot start"),
    "a daemon that ends at once": (fault("startup"), "address already in use"),
    "a daemon that never serves": (never_serves, "did not serve"),
    "a refusal": (fault("start"), "the journal cannot be created"),
    "another protocol": (fault("version"), "protocol 99"),
    "a stale socket": (stale, "stale"),
    "no such socket": (environment(SMARAGDINE_SOCKET="{there}/none"), "no such file"),
    "a socket that is too long": (environment(SMARAGDINE_SOCKET="/run/" + "x" * 200), "205 bytes"),
    "a broken outer recording": (stale_outer, "no daemon answers"),
    "a malformed outer recording": (environment(SMARAGDINE_RECORDING="nonsense"), "unset SMARAGDINE_RECORDING"),
    "OUTPUT below a file": (below_a_file, "cannot write to OUTPUT"),
    "OUTPUT that no kernel has": (lambda monkeypatch, there: Path("/proc/none/out"), "cannot write to OUTPUT"),
    "an OUTPUT too long": (lambda monkeypatch, there: there / ("x" * 300), "too long"),
    "no temporary directory": (no_room, "no place was found for temporary files"),
    "no memory": (raises("smaragdine.daemon.private._spawn", MemoryError("no memory")), "MemoryError"),
    "no thread": (
        raises("smaragdine.recording.beginning.Client", RuntimeError("can't start new thread")),
        "can't start new",
    ),
    "no descriptor": (
        raises("smaragdine.daemon.private._spawn", OSError(24, "Too many open files")),
        "Too many open files",
    ),
}


def by_record(output: Path) -> bool:
    steps = []
    with smaragdine.record(output) as recording:
        assert (recording.path, recording.socket, recording.domains, recording.basis) == (None, None, (), None)
        assert recording.paused
        for number in range(3):
            with recording.step(samples=8) as mark:
                mark.metrics["loss"] = 0.5
                recording.events([smaragdine.Event("net/MatMul", 1, 2)])
            steps.append(number)
        recording.note("a remark")
        assert not recording.profile(Format.XSPACE, b"bytes")
    assert recording.state == "failed"
    assert recording.finish() is None
    return len(steps) == 3


def by_run(output: Path) -> bool:
    """The command's own code, and no outer recording for it to join."""
    code = "import os, sys; sys.exit(40 if 'SMARAGDINE_RECORDING' in os.environ else 41)"
    return main(["run", "-o", str(output), "--", sys.executable, "-c", code]) == 41


def by_callback(output: Path) -> bool:
    import keras
    import numpy as np

    from smaragdine.keras import EnergyCallback

    x, y = np.ones((40, 4), "float32"), np.ones((40, 1), "float32")
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    callback = EnergyCallback(output)
    history = model.fit(x, y, verbose=0, epochs=2, validation_data=(x, y), callbacks=[callback]).history
    assert (callback.path, callback.finish()) == (None, None)
    return len(history["val_loss"]) == 2


def by_hook(output: Path) -> bool:
    import tensorflow as tf

    from smaragdine.tensorflow import EnergyHook

    v1, hook, losses = tf.compat.v1, EnergyHook(output), []
    with tf.Graph().as_default():
        kernel = v1.get_variable("kernel", [4, 1])
        loss = tf.reduce_mean(tf.matmul(tf.ones([8, 4]), kernel) ** 2)
        train_op = v1.train.GradientDescentOptimizer(0.01).minimize(loss)
        with v1.train.MonitoredTrainingSession(hooks=[hook]) as session:
            losses = [session.run([loss, train_op])[0] for _ in range(5)]
    assert (hook.path, hook.finish()) == (None, None)
    return len(losses) == 5


IN_TENSORFLOW = [pytest.param(way, marks=[pytest.mark.tensorflow, needs_tensorflow]) for way in (by_callback, by_hook)]
# All of these start a recording in the same way.
BEFORE_TENSORFLOW = ("no binary", "a stale socket", "another protocol", "OUTPUT below a file")


@pytest.mark.parametrize(
    ("way", "reason"),
    [
        *((way, reason) for reason in REASONS for way in (by_record, by_run)),
        *(pytest.param(*way.values, reason, marks=way.marks) for reason in BEFORE_TENSORFLOW for way in IN_TENSORFLOW),
    ],
)
def test_a_training_that_cannot_be_recorded_runs_all_the_same_and_is_told_why(
    way: Callable[[Path], bool],
    reason: str,
    told: Told,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    place, said = REASONS[reason]
    output = place(monkeypatch, tmp_path) or tmp_path / "out"
    before = set(Path(tempfile.gettempdir()).iterdir())
    assert way(output)
    (warning,) = [record.getMessage() for record in caplog.records if "the program goes on" in record.getMessage()]
    assert said in warning
    assert not (tmp_path / "out").exists(), "OUTPUT is as it was"
    assert set(Path(tempfile.gettempdir()).iterdir()) == before, "nothing is left behind"


@pytest.mark.parametrize(("place", "said"), REASONS.values(), ids=REASONS)
def test_a_measurement_that_is_required_refuses_before_anything_runs(
    place: Place, said: str, told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = place(monkeypatch, tmp_path) or tmp_path / "out"
    with pytest.raises(SmaragdineError) as raised, smaragdine.record(output, require_measured=True):
        raise AssertionError("the program must not run")
    assert exit_code(raised.value) == 3
    assert said in str(raised.value)


@pytest.mark.parametrize("way", [by_record, by_run, *IN_TENSORFLOW])
def test_a_mistake_of_the_user_s_is_an_error_before_the_training(
    way: Callable[[Path], bool], told: Told, tmp_path: Path
) -> None:
    (tmp_path / "thesis.tex").touch()
    if way is by_run:
        assert main(["run", "-o", str(tmp_path), "--", "touch", str(tmp_path / "ran")]) == 1
        assert not (tmp_path / "ran").exists()
        return
    with pytest.raises(UsageError, match="not empty"):
        way(tmp_path)
    assert told.all() == []


@needs_root
@pytest.mark.parametrize("full", [False, True], ids=["read-only", "full"])
def test_an_output_on_a_disk_that_takes_nothing_leaves_no_trace_and_ends_no_training(
    full: bool, told: Told, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with small_disk(tmp_path / "disk", 1) as disk:
        if full:
            fill(disk)
        else:
            subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        assert by_record(disk / "out")
        assert not list(disk.glob("out*"))
    assert "the program goes on: cannot write to OUTPUT" in caplog.text


@needs_root
def test_a_temporary_directory_that_takes_nothing_is_left_for_another(
    told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with small_disk(tmp_path / "disk", 1) as disk:
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        for name in ("TMPDIR", "XDG_RUNTIME_DIR", "SMARAGDINE_STATE_DIR"):
            monkeypatch.setenv(name, str(disk))
        monkeypatch.setattr(tempfile, "tempdir", str(disk))
        with smaragdine.record(tmp_path / "out") as recording:
            assert not recording.socket.is_relative_to(disk)
    assert state(tmp_path / "out") == "complete"


@pytest.mark.parametrize(
    ("where", "error"),
    [
        ("smaragdine.recording.output.Output.receive", OSError(28, "No space left on device")),
        ("smaragdine.recording.output.Output.receive", ValueError("Cannot invoke RPC on closed channel!")),
        ("smaragdine.daemon.client.Client.stop", MemoryError()),
        ("smaragdine.recording.sender.Sender.close", RuntimeError("can't start new thread")),
    ],
)
def test_an_end_that_fails_whatever_the_error_fails_no_program(
    where: str,
    error: Exception,
    told: Told,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with smaragdine.record(tmp_path / "out") as recording, recording.step():
        raises(where, error)(monkeypatch, tmp_path)
    assert recording.state == "failed"
    assert type(error).__name__ in caplog.text
    assert f"smaragdine recover {tmp_path / 'out'}" in caplog.text


def test_an_output_that_somebody_removed_meanwhile_is_written_again(told: Told, tmp_path: Path) -> None:
    with smaragdine.record(tmp_path / "out"):
        (tmp_path / "out" / "trace.json").unlink()
        (tmp_path / "out").rmdir()
    assert state(tmp_path / "out") == "complete"


def test_temporary_files_that_somebody_cleaned_up_cost_no_trace(told: Told, tmp_path: Path) -> None:
    with smaragdine.record(tmp_path / "out") as recording:
        recording.note("the connection stands")
        told.wait_for("note")
        recording.socket.unlink()
        recording.socket.parent.rmdir()
    assert state(tmp_path / "out") == "complete"
    assert recording.state == "complete"


def test_values_that_the_protocol_has_no_form_for_cost_themselves_alone(told: Told, tmp_path: Path) -> None:
    """What a program logs may be anything, and file names of any bytes may be part of what it says."""
    with smaragdine.record(tmp_path / "out", labels={"data": "/data/\udcff"}) as recording:
        with recording.step() as mark:
            mark.metrics.update({"loss": "0.5", "text": "none", "tensor": object(), "nan": float("nan")})
        recording.note("cannot read /data/\udcff.png")
        told.wait_for("step")
        with recording.step() as mark:
            mark.metrics["loss"] = 0.25
    assert [step["metrics"] for step in told.all("step")] == [{"loss": 0.5}, {"loss": 0.25}]
    assert told.all("start")[0]["labels"] == {"data": "/data/?"}
    assert recording.state == "complete"


def test_the_systems_daemon_that_refuses_is_left_for_a_private_one(
    told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from smaragdine.daemon.private import PrivateDaemon

    for fault in ("version", "start"):
        monkeypatch.setenv("FAKE_FAULT", fault)
        system = PrivateDaemon.start()
        monkeypatch.delenv("FAKE_FAULT")
        monkeypatch.setattr("smaragdine.daemon.running.SYSTEM_SOCKET", system.socket)
        with smaragdine.record(tmp_path / fault) as recording:
            assert recording.socket != system.socket
        assert state(tmp_path / fault) == "complete"
        system.close()
    assert caplog.text.count("was left aside") == 2


def test_a_recording_that_a_service_started_and_output_cannot_take_is_stopped_there(
    told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from smaragdine.daemon.private import PrivateDaemon

    service = PrivateDaemon.start()
    monkeypatch.setenv("SMARAGDINE_SOCKET", str(service.socket))
    raises("smaragdine.recording.output.Output.begin", OSError(28, "No space left on device"))(monkeypatch, tmp_path)
    assert by_record(tmp_path / "out")
    assert told.all("release") == [{"kind": "release", "recording": "r-1"}]
    service.close()


def test_a_socket_that_was_named_from_here_is_reached_from_elsewhere(
    told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from smaragdine.daemon.private import PrivateDaemon

    service = PrivateDaemon.start()
    monkeypatch.chdir(service.socket.parent)
    monkeypatch.setenv("SMARAGDINE_SOCKET", "socket")
    recording = Recording.start(tmp_path / "out")
    monkeypatch.chdir(tmp_path)
    recording.finish()
    assert recording.state == "complete"
    service.close()


def test_run_tells_its_command_s_code_though_the_result_cannot_be_told(
    told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    raises("smaragdine.cli.result.brief", ImportError("no duckdb"))(monkeypatch, tmp_path)
    assert main(["run", "-o", str(tmp_path / "out"), "--", "sh", "-c", "exit 5"]) == 5
    assert f"the trace is in {tmp_path / 'out'}" in caplog.text
