"""EnergyCallback under real Keras trainings, which it neither fails nor changes."""

from __future__ import annotations

import itertools
import json
import logging
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from conftest import Told

from smaragdine.errors import SmaragdineError

keras = pytest.importorskip("keras")
np = pytest.importorskip("numpy")
tf = pytest.importorskip("tensorflow")
pytestmark = pytest.mark.tensorflow

from smaragdine.keras import EnergyCallback  # noqa: E402

XSPACE, RUN_METADATA, GRAPH = 1, 2, 3


def model(**compile: Any) -> Any:
    net = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(8, name="hidden"), keras.layers.Dense(1, name="out")], name="net"
    )
    net.compile("sgd", "mse", metrics=["mae"], **compile)
    return net


def data(samples: int = 100) -> Any:
    random = np.random.default_rng(0)
    return random.random((samples, 4), "float32"), random.random((samples, 1), "float32")


def state(output: Path) -> str:
    return str(json.loads((output / "trace.json").read_text())["state"])


def test_a_fit_arrives_with_its_steps_metrics_samples_profiles_and_model(told: Told, tmp_path: Path) -> None:
    callback = EnergyCallback(tmp_path / "out", window=3, every=8, labels={"site": "lab"})
    model().fit(*data(100), batch_size=8, epochs=2, verbose=0, callbacks=[callback])
    assert state(tmp_path / "out") == "complete"
    assert callback.path == tmp_path / "out"
    start = told.all("start")[0]
    assert start["name"] == "net"
    assert start["software"]["keras"] == keras.__version__
    steps = sorted(told.all("step"), key=lambda step: int(step.get("step", 0)))
    assert [int(step.get("step", 0)) for step in steps] == list(range(26))
    assert [int(step.get("epoch", 0)) for step in steps] == [0] * 13 + [1] * 13
    assert [int(step["samples"]) for step in steps[:13]] == [8] * 12 + [4]
    assert set(steps[0]["metrics"]) == {"loss", "mae", "compilations"}
    assert all(set(step["metrics"]) == {"loss", "mae"} for step in steps[1:])
    assert [int(step.get("step", 0)) for step in steps if step.get("traced")] == [2, 3, 4, 10, 11, 12, 18, 19, 20]
    for first, second in itertools.pairwise(steps):
        assert int(first["start_ns"]) < int(first["end_ns"]) <= int(second["start_ns"])
    assert [one["format"] for one in told.all("profile")].count(XSPACE) == 3
    formats = [one["format"] for one in told.all("profile")]
    assert formats.count(RUN_METADATA) == 2, "the executed graphs, and at the end their shapes"
    assert formats.count(GRAPH) == 0
    assert len(told.all("profiling")) == 8, "each window opens and closes; graphs are collected twice"
    described = told.all("model")[0]
    assert described["name"] == "net"
    assert "hidden" in described["layer_paths"]
    assert described["variables"] == ["net/hidden/kernel", "net/hidden/bias", "net/out/kernel", "net/out/bias"]
    captured = {path.partition("/")[2] if "rate" in path else path for path in described["captures"].values()}
    assert captured >= {*described["variables"], "learning_rate", "mean_absolute_error/total"}


def test_the_callback_changes_no_result_of_the_training(told: Told, tmp_path: Path) -> None:
    losses = []
    for callbacks in ([], [EnergyCallback(tmp_path / "out", window=1, every=2)]):
        keras.utils.set_random_seed(7)
        losses.append(model().fit(*data(), epochs=2, verbose=0, shuffle=False, callbacks=callbacks).history["loss"])
    assert losses[0] == losses[1]


def test_validation_is_no_training_step(told: Told, tmp_path: Path) -> None:
    callback = EnergyCallback(tmp_path / "out", window=100, every=100)
    model().fit(*data(), batch_size=25, epochs=2, verbose=0, validation_data=data(), callbacks=[callback])
    assert len(told.all("step")) == 8
    assert [one["format"] for one in told.all("profile")].count(XSPACE) == 1, "the window closed before validation"


@pytest.mark.parametrize("mode", [{"run_eagerly": True}, {"jit_compile": True}, {"steps_per_execution": 4}])
def test_every_way_of_running_a_step_is_recorded(mode: dict[str, Any], told: Told, tmp_path: Path) -> None:
    callback = EnergyCallback(tmp_path / "out", window=1, every=2)
    model(**mode).fit(*data(100), batch_size=10, verbose=0, callbacks=[callback])
    assert state(tmp_path / "out") == "complete"
    assert sum(int(step["samples"]) for step in told.all("step")) == 100
    assert any(one["format"] == XSPACE for one in told.all("profile"))


def test_evaluate_and_predict_are_recorded_too(told: Told, tmp_path: Path) -> None:
    net = model()
    callback = EnergyCallback(tmp_path / "out")
    net.evaluate(*data(), batch_size=25, verbose=0, callbacks=[callback])
    net.predict(data()[0], batch_size=25, verbose=0, callbacks=[callback])
    assert state(tmp_path / "out") == state(tmp_path / "out-2") == "complete"
    assert len(told.all("step")) == 8


def test_a_second_fit_of_one_callback_records_beside_the_first(told: Told, tmp_path: Path) -> None:
    net, callback = model(), EnergyCallback(tmp_path / "out")
    for expected in ("out", "out-2"):
        net.fit(*data(), verbose=0, callbacks=[callback])
        assert callback.path == tmp_path / expected
        assert state(tmp_path / expected) == "complete"


class Raises(keras.callbacks.Callback):  # type: ignore[misc]
    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if batch == 2:
            raise self.error


@pytest.mark.parametrize("error", [ValueError("bad data"), KeyboardInterrupt()])
def test_a_training_that_raises_keeps_its_error_and_its_trace(
    error: BaseException, told: Told, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    callback = EnergyCallback(tmp_path / "out", window=50, every=50)
    with pytest.raises(type(error)) as raised:
        model().fit(*data(), batch_size=10, verbose=0, callbacks=[callback, Raises(error)])
    deadline = time.monotonic() + 30
    while state(tmp_path / "out") != "complete":
        assert time.monotonic() < deadline, "noticed without being told, though the traceback holds the call's frame"
        time.sleep(0.05)
    assert raised.value is error
    assert len(told.all("step")) == 3
    assert "ended early" in told.all("note")[0]["text"]
    assert str(tmp_path / "out") in caplog.text
    tf.profiler.experimental.start(str(tmp_path / "after"))
    tf.profiler.experimental.stop()


def test_a_fit_right_after_one_that_raised_gets_a_trace_of_its_own(told: Told, tmp_path: Path) -> None:
    net, callback = model(), EnergyCallback(tmp_path / "out")
    with pytest.raises(ValueError, match="bad data"):
        net.fit(*data(), batch_size=10, verbose=0, callbacks=[callback, Raises(ValueError("bad data"))])
    net.fit(*data(), batch_size=10, verbose=0, callbacks=[callback])
    assert state(tmp_path / "out") == state(tmp_path / "out-2") == "complete"
    assert callback.finish() == tmp_path / "out-2"


SCRIPT = """
import sys, numpy as np, keras
from smaragdine.keras import EnergyCallback
class Raises(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        if batch == 2:
            raise ValueError("bad data")
net = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
net.compile("sgd", "mse")
net.fit(np.ones((100, 4)), np.ones((100, 1)), batch_size=10, verbose=0,
        callbacks=[EnergyCallback(sys.argv[1]), Raises()])
"""


def test_a_script_that_dies_of_its_training_saves_the_trace_and_shows_its_traceback(told: Told, tmp_path: Path) -> None:
    command = [sys.executable, "-c", SCRIPT, str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"})
    assert done.returncode == 1
    assert "ValueError: bad data" in done.stderr
    assert state(tmp_path / "out") == "complete"
    assert len(told.all("step")) == 3


def test_another_profiler_is_left_alone_and_energy_measured(
    told: Told, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tf.profiler.experimental.start(str(tmp_path / "theirs"))
    try:
        callback = EnergyCallback(tmp_path / "out", window=1, every=1)
        model().fit(*data(), batch_size=1, epochs=2, verbose=0, callbacks=[callback])
    finally:
        tf.profiler.experimental.stop()
    assert caplog.text.count("another profiler is running") == 1
    assert state(tmp_path / "out") == "complete"
    assert [one for one in told.all("profile") if one["format"] == XSPACE] == []
    assert len(told.all("step")) == 200
    assert not any(step.get("traced") for step in told.all("step"))
    assert list((tmp_path / "theirs").rglob("*.xplane.pb"))


def test_the_training_goes_on_while_a_profiler_is_stopped(
    told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    further = threading.Event()
    stop = tf.profiler.experimental.stop

    def slow() -> None:
        assert further.wait(30), "no step ran meanwhile"
        stop()

    monkeypatch.setattr(tf.profiler.experimental, "stop", slow)
    runs_on = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: further.set() if batch > 5 else None
    )
    callback = EnergyCallback(tmp_path / "out", window=2, every=50)
    model().fit(*data(), batch_size=10, verbose=0, callbacks=[callback, runs_on])
    assert "lost" not in caplog.text
    assert [int(step["step"]) for step in told.all("step") if step.get("traced")] == [2, 3]
    assert [one["format"] for one in told.all("profile")].count(XSPACE) == 1
    assert not [thread for thread in threading.enumerate() if thread.name == "smaragdine-stopper"]


def test_a_profiler_that_others_stop_fails_nothing(
    told: Told, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Stops(keras.callbacks.Callback):  # type: ignore[misc]
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            if batch == 4:
                tf.profiler.experimental.stop()

    callback = EnergyCallback(tmp_path / "out", window=4, every=50)
    model().fit(*data(), batch_size=10, verbose=0, callbacks=[callback, Stops()])
    assert state(tmp_path / "out") == "complete"
    assert "a profile was lost" in caplog.text


def test_a_daemon_that_dies_ends_no_training(
    told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("FAKE_FAULT", "die")
    history = model().fit(*data(), epochs=3, verbose=0, callbacks=[EnergyCallback(tmp_path / "out")])
    assert len(history.history["loss"]) == 3
    assert "recover" in caplog.text
    assert state(tmp_path / "out") == "recording"


def test_nonsense_is_refused_before_the_training(told: Told, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("x")
    for options in ({"output": tmp_path / "full"}, {"period": "4"}, {"window": 0}):
        with pytest.raises(SmaragdineError) as raised:
            EnergyCallback(**{"output": tmp_path / "out", **options})
        assert raised.value.hint


def test_what_runs_on_the_training_thread_waits_for_nothing(
    told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A daemon that takes 0.2 s a message must not slow steps down: what they say waits in the queue."""
    monkeypatch.setenv("FAKE_FAULT", "slow")
    monkeypatch.setattr("smaragdine.recording.recorder._FLUSH_TIMEOUT_S", 1.0)
    caplog.set_level(logging.WARNING)
    during: list[int] = []

    class Watches(keras.callbacks.Callback):  # type: ignore[misc]
        def on_train_end(self, logs: Any = None) -> None:
            during.append(len(told.all("step")))

    callback = EnergyCallback(tmp_path / "out", every=10_000)
    model().fit(*data(600), batch_size=1, verbose=0, callbacks=[Watches(), callback])
    assert during[0] < 300, "the training ended while most steps still waited"
    assert "did not take all events" in caplog.text
    assert state(tmp_path / "out") == "complete"


def test_a_training_on_a_generator_is_recorded_though_nobody_knows_its_batches(told: Told, tmp_path: Path) -> None:
    callback = EnergyCallback(tmp_path / "out")
    batches = itertools.repeat(data(4))
    model().fit((batch for batch in batches), steps_per_epoch=3, callbacks=[callback], verbose=0)
    assert callback.finish() == tmp_path / "out"
    steps = told.all("step")
    assert len(steps) == 3
    assert not any("samples" in step for step in steps)


def test_whatever_breaks_within_a_step_of_ours_the_training_goes_on(
    told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("ours, not the user's")

    monkeypatch.setattr("smaragdine.training.training.Steps.begin", broken)
    callback = EnergyCallback(tmp_path / "out")
    history = model().fit(*data(8), batch_size=2, verbose=0, callbacks=[callback]).history
    assert len(history["loss"]) == 1
    assert state(tmp_path / "out") == "complete"
    assert "recording ends here" in caplog.text
