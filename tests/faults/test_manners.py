"""A training does not notice that it is recorded: however it runs and ends, nothing of ours is left behind."""

from __future__ import annotations

import gc
import json
import threading
import time
import tracemalloc
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from conftest import Told

import smaragdine

keras = pytest.importorskip("keras")
np = pytest.importorskip("numpy")
tf = pytest.importorskip("tensorflow")
pytestmark = pytest.mark.tensorflow

from smaragdine.keras import EnergyCallback  # noqa: E402

XSPACE = 1


@pytest.fixture(autouse=True)
def memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where profiles lie until they are shipped."""
    memory = tmp_path / "shm"
    memory.mkdir()
    monkeypatch.setattr("smaragdine.frameworks.tensorflow.profiler._MEMORY", memory)
    monkeypatch.setattr("smaragdine.frameworks.tensorflow.profiler._ROOM", 0)
    return memory


def model(**compile: Any) -> Any:
    net = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1, name="only")], name="net")
    net.compile("sgd", "mse", **compile)
    return net


def data(samples: int = 100) -> Any:
    return np.ones((samples, 4), "float32"), np.ones((samples, 1), "float32")


def state(output: Path) -> str:
    return str(json.loads((output / "trace.json").read_text())["state"])


def ours() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("smaragdine")]


def wait_until_nothing_is_left(memory: Path, temporary: Path) -> None:
    deadline = time.monotonic() + 30
    while left := [*ours(), *memory.iterdir(), *temporary.iterdir()]:
        assert time.monotonic() < deadline, left
        time.sleep(0.05)


class Ends(keras.callbacks.Callback):  # type: ignore[misc]
    """Ends the training in the middle of a window."""

    def __init__(self, how: BaseException | None) -> None:
        super().__init__()
        self.how = how

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if batch == 5:
            if self.how:
                raise self.how
            self.model.stop_training = True


@pytest.mark.parametrize("how", [None, ValueError("bad data"), KeyboardInterrupt(), SystemExit(3)])
def test_however_a_training_ends_nothing_is_left_behind(
    how: BaseException | None, told: Told, tmp_path: Path, memory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    layer_call = keras.layers.Layer.__call__
    callback = EnergyCallback(tmp_path / "out", window=50, every=50)
    with pytest.raises(type(how)) if how else nullcontext() as raised:
        model(run_eagerly=True).fit(*data(), batch_size=5, verbose=0, callbacks=[callback, Ends(how)])
    assert raised is None or raised.value is how
    callback.finish()
    assert state(tmp_path / "out") == "complete"
    assert [one["format"] for one in told.all("profile")] == [XSPACE]
    assert keras.layers.Layer.__call__ is layer_call
    wait_until_nothing_is_left(memory, temporary)
    tf.profiler.experimental.start(str(tmp_path / "after"))
    tf.profiler.experimental.stop()


def test_a_step_that_breaks_off_is_no_step(told: Told, tmp_path: Path) -> None:
    class Stops(keras.layers.Layer):  # type: ignore[misc]
        steps = 0

        def call(self, inputs: Any) -> Any:
            Stops.steps += 1
            if Stops.steps > 4:
                raise ValueError("bad data")
            return inputs

    net = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1), Stops()])
    net.compile("sgd", "mse", run_eagerly=True)
    Stops.steps = 0
    callback = EnergyCallback(tmp_path / "out")
    with pytest.raises(ValueError, match="bad data"):
        net.fit(*data(), batch_size=10, verbose=0, callbacks=[callback])
    callback.finish()
    assert len(told.all("step")) == 4
    with smaragdine.record(tmp_path / "loop") as recording:
        for fails in (False, True, False):
            try:
                with recording.step():
                    if fails:
                        raise StopIteration
            except StopIteration:
                pass
    assert [int(step.get("step", 0)) for step in told.all("step")[4:]] == [0, 2]


def test_two_callbacks_on_one_fit_share_the_steps_and_say_so(
    told: Told, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    callbacks = [EnergyCallback(tmp_path / name, window=2, every=4) for name in ("first", "second")]
    model().fit(*data(200), batch_size=5, verbose=0, callbacks=callbacks)
    assert state(tmp_path / "first") == state(tmp_path / "second") == "complete"
    assert caplog.text.count("another recording in this process") == 1
    assert len(told.all("step")) == 80
    traced = [int(step["start_ns"]) for step in told.all("step") if step.get("traced")]
    assert len(traced) >= 20


def test_a_training_on_a_thread_of_its_own_is_recorded(told: Told, tmp_path: Path) -> None:
    """As notebooks and servers run it: no signal can be handled there."""
    callback = EnergyCallback(tmp_path / "out", window=2, every=4)
    thread = threading.Thread(
        target=lambda: model().fit(*data(), batch_size=10, verbose=0, callbacks=[callback]),
    )
    thread.start()
    thread.join()
    assert state(tmp_path / "out") == "complete"
    assert len(told.all("step")) == 10
    assert any(one["format"] == XSPACE for one in told.all("profile"))


def test_a_callback_serves_several_fits_and_validation(told: Told, tmp_path: Path) -> None:
    net, callback = model(), EnergyCallback(tmp_path / "out", window=1, every=2)
    early = keras.callbacks.EarlyStopping(monitor="loss", patience=0, min_delta=1e9)
    for output in ("out", "out-2", "out-3"):
        net.fit(*data(), batch_size=10, epochs=9, verbose=0, validation_data=data(20), callbacks=[callback, early])
        assert state(tmp_path / output) == "complete"
    assert len(told.all("step")) == 3 * 2 * 10, "two epochs each, validation apart"


@pytest.mark.parametrize("steps", [6, 7])
def test_a_short_fit_has_a_traced_window(steps: int, told: Told, tmp_path: Path) -> None:
    model().fit(*data(10 * steps), batch_size=10, verbose=0, callbacks=[EnergyCallback(tmp_path / "out")])
    assert [int(step["step"]) for step in told.all("step") if step.get("traced")][:2] == [2, 3]


def test_every_step_is_traced_where_that_is_asked(told: Told, tmp_path: Path) -> None:
    model().fit(*data(), batch_size=10, verbose=0, callbacks=[EnergyCallback(tmp_path / "out", every=1)])
    assert [bool(step.get("traced")) for step in told.all("step")] == [True] * 10


def test_memory_does_not_grow_with_steps(told: Told, tmp_path: Path) -> None:
    """What our own code holds: the least of three epochs, for a profile may just be on its way."""
    net, held = model(), []

    class Weighs(keras.callbacks.Callback):  # type: ignore[misc]
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            time.sleep(1.5)
            gc.collect()
            traces = tracemalloc.take_snapshot().filter_traces([tracemalloc.Filter(True, "*/smaragdine/*.py")])
            held.append(sum(trace.size for trace in traces.statistics("filename")))

    tracemalloc.start()
    try:
        callbacks = [EnergyCallback(tmp_path / "out"), Weighs()]
        net.fit(*data(500), batch_size=1, epochs=6, verbose=0, callbacks=callbacks)
    finally:
        tracemalloc.stop()
    assert len(told.all("step")) == 3000
    assert min(held[3:]) - min(held[:3]) < 50_000, held


def test_a_program_that_sends_events_of_its_own_is_not_traced_besides(told: Told, tmp_path: Path) -> None:
    with smaragdine.record(tmp_path / "out") as recording:
        for _ in range(10):
            with recording.step():
                recording.events([smaragdine.Event("mine/Work", time.time_ns(), time.time_ns() + 1)])
    assert [bool(step.get("traced")) for step in told.all("step")] == [True] * 10
    assert told.all("profile") == []
