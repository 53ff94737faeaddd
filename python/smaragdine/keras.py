"""Energy of a Keras 3 training on TensorFlow.

model.fit(x, y, callbacks=[EnergyCallback("runs/bert")])
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from smaragdine.frameworks.tensorflow.operations import Operations
from smaragdine.frameworks.tensorflow.program import Program
from smaragdine.recording.recording import Recording
from smaragdine.training.plan import Plan
from smaragdine.training.steps import Steps
from smaragdine.training.vigil import Call, Vigil
from smaragdine.training.window import Auto

try:
    import keras
except ImportError as error:
    raise ImportError(
        "smaragdine.keras needs Keras 3 on TensorFlow\nhint: pip install 'smaragdine[tensorflow]'"
    ) from error

_LOG = logging.getLogger("smaragdine")
# The method that a user calls, and where Keras keeps its compiled step.
_CALLS = {"fit": "train_function", "evaluate": "test_function", "predict": "predict_function"}


class EnergyCallback(keras.callbacks.Callback):  # type: ignore[misc]
    """Records the energy of `fit`, `evaluate` or `predict` into the directory `output`, operation by operation.

    Energy is measured all the time, every `period`; operations are traced in windows of `window` steps, which open
    `every` so many steps, or ("auto") as often as their cost stays below 1 % of the training. A second `fit` records
    to `output`-2, and so on. `name` is the trace's name, the model's by default.

    Raises `UsageError` before any training where an option makes no sense, or `output` holds what is no trace. Nothing
    else that goes wrong with recording, at its start or later, fails the training. A copy, also by pickle, has recorded
    nothing yet, whatever its original has.
    """

    # Keras before 3.15 then calls `on_*_batch_end` from a thread of its own and does not wait for each step's metrics:
    # a callback without this would slow down what it measures. What is bound to a step's edge happens on the training's
    # own thread, there in `on_*_batch_begin`.
    async_safe = True

    def __init__(
        self,
        output: str | os.PathLike[str],
        *,
        period: str = "4ms",
        window: int | Auto = "auto",
        every: int | Auto = "auto",
        name: str | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__()
        self._plan = Plan(output, period=period, window=window, every=every, name=name, labels=labels)
        self._recording: Recording | None = None
        self._training: _Training | None = None
        self._doing = ""

    @property
    def path(self) -> Path | None:
        """The trace directory of the last training; None before the first, inside `smaragdine run`, and where recording
        could not start."""
        return self._recording.path if self._recording else None

    def finish(self) -> Path | None:
        """Waits until the trace is written and returns its directory; only needed after a training that raised."""
        return self._recording.finish() if self._recording else None

    def __getstate__(self) -> dict[str, Any]:
        # Tuners, wrappers and cross-validation copy callbacks, before as after a fit.
        fresh = {"_recording": None, "_training": None, "_doing": "", "_model": None, "params": None}
        return {**self.__dict__, **fresh}

    def _begin(self, doing: str) -> None:
        under_way = self._training.under_way() if self._training else Call.around({self._doing}) is not None
        if self._doing not in ("", doing) and under_way:
            return  # validation inside `fit`
        self.finish()
        backend = keras.backend.backend()
        software = {"keras": str(keras.__version__)}
        if backend == "tensorflow":
            import tensorflow as tf

            software["tensorflow"] = str(tf.__version__)
        else:
            _LOG.warning("Keras runs on %s: energy is measured, but broken down only on TensorFlow", backend)
        self._training = None
        recording = self._recording = self._plan.start(getattr(self.model, "name", None), software)
        self._doing = doing
        if recording.state != "recording":
            return
        try:
            operations = None
            if backend == "tensorflow":
                operations = Operations(recording, self._plan.windows(), Program(self.model, [_CALLS[doing]]))
            self._training = _Training(recording, operations, over=self._over)
        except Exception as error:  # noqa: BLE001  the training goes on, and so does the measuring of its energy
            _LOG.warning("energy is measured, but not broken down: %r", error)

    def _over(self) -> None:
        self._doing = ""

    def _end(self, doing: str) -> None:
        if self._doing == doing and self._recording:
            if self._training:
                self._training.ended = True
            self._recording.finish()
            self._over()

    def _batch_begin(self, doing: str, batch: int) -> None:
        if self._doing == doing and self._training:
            with self._training.recording.guarded():
                self._training.step_begins(batch)

    def _batch_end(self, doing: str, batch: int, logs: Mapping[str, Any] | None) -> None:
        if self._doing == doing and self._training:
            with self._training.recording.guarded():
                self._training.step_ended(batch, logs)

    def _pause(self) -> None:
        if self._training:
            with self._training.recording.guarded():
                self._training.pause()

    def on_train_begin(self, logs: Any = None) -> None:
        self._begin("fit")

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        if self._training:
            self._training.epoch = epoch

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        self._batch_begin("fit", batch)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self._batch_end("fit", batch, logs)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self._pause()

    def on_train_end(self, logs: Any = None) -> None:
        self._end("fit")

    def on_test_begin(self, logs: Any = None) -> None:
        # Validation inside `fit` is no training step: it must not lengthen the last one, nor be traced.
        self._pause()
        self._begin("evaluate")

    def on_test_batch_begin(self, batch: int, logs: Any = None) -> None:
        self._batch_begin("evaluate", batch)

    def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
        self._batch_end("evaluate", batch, logs)

    def on_test_end(self, logs: Any = None) -> None:
        self._end("evaluate")

    def on_predict_begin(self, logs: Any = None) -> None:
        self._begin("predict")

    def on_predict_batch_begin(self, batch: int, logs: Any = None) -> None:
        self._batch_begin("predict", batch)

    def on_predict_batch_end(self, batch: int, logs: Any = None) -> None:
        # `logs` holds the predictions.
        self._batch_end("predict", batch, None)

    def on_predict_end(self, logs: Any = None) -> None:
        self._end("predict")


class _Training:
    """One `fit`, `evaluate` or `predict` while it is recorded."""

    def __init__(self, recording: Recording, operations: Operations | None, *, over: Callable[[], None]) -> None:
        self.recording = recording
        self.epoch = 0
        # Keras said so: it does not where a step raises.
        self.ended = False
        self._operations = operations
        self._over = over
        self._thread = threading.get_ident()
        self._steps = Steps(recording.mark)
        self._call = Call.around(_CALLS)
        self._batches = _Batches(self._call)
        self._samples = 0
        self._vigil = Vigil(self._call.under_way, recording.finish) if self._call else None
        recording.before_finish(self._close)

    def under_way(self) -> bool:
        return self._call is None or self._call.under_way()

    def step_begins(self, batch: int) -> None:
        self._edge()
        traced = self._operations is not None and self._operations.step_begins()
        self._samples = self._batches.samples(batch)
        self._steps.begin(batch, epoch=self.epoch, traced=traced, samples=self._samples)

    def step_ended(self, batch: int, logs: Mapping[str, Any] | None) -> None:
        """May come from any thread; only the training's own knows the step's edge."""
        if threading.get_ident() == self._thread and self._steps.running:
            self._edge(logs or {})
        else:
            self._steps.logs(batch, logs)

    def pause(self) -> None:
        """No step runs now: an epoch ended, or validation begins."""
        self._edge(late=True)
        if self._operations:
            self._operations.pause()

    def _edge(self, logs: Mapping[str, Any] | None = None, *, late: bool = False) -> None:
        if not self._steps.running:
            return
        compiled = self._operations.compiled(self._batches.size(self._samples)) if self._operations else 0
        seconds = self._steps.end(compiled, logs=logs, late=late)
        if self._operations and seconds is not None:
            self._operations.step_ended(seconds, compiled)

    def _close(self) -> None:
        self._over()
        if not self.ended:
            self.recording.note("the training ended early: it raised, or was interrupted")
            _LOG.warning("the training ended early; what was measured until then is in %s", self.recording.path)
        if self._vigil:
            self._vigil.end()
        if self._call:
            self._call.let_go()
        self._steps.flush(whole=self.ended)
        if self._operations:
            self._operations.close()


class _Batches:
    """How many examples a batch holds, as far as Keras' data adapter tells."""

    def __init__(self, call: Call | None) -> None:
        iterator = call.local("epoch_iterator") if call else None
        adapter = getattr(iterator, "data_adapter", None)
        self._size = _count(adapter, "batch_size")
        self._batches = _count(adapter, "num_batches")
        self._last = _count(adapter, "partial_batch_size")
        self._at_once = max(_count(iterator, "steps_per_execution"), 1)

    def size(self, samples: int) -> int:
        """Examples of the smallest batch in a step of so many; 0 where unknown."""
        return samples % self._size or self._size if self._size else 0

    def samples(self, batch: int) -> int:
        """Examples of the step that begins with this batch of its epoch; 0 where unknown."""
        if not self._size:
            return 0
        batches = self._at_once
        if self._batches and batch + batches >= self._batches:
            batches = self._batches - batch
            if self._last and batches > 0:
                return (batches - 1) * self._size + self._last
        return max(batches, 0) * self._size


def _count(adapter: object, name: str) -> int:
    """A positive count that an adapter tells, or 0."""
    try:
        value = getattr(adapter, name, None)
    except NotImplementedError:  # what a generator's adapter does not know
        return 0
    return int(value) if isinstance(value, int) and value > 0 else 0
