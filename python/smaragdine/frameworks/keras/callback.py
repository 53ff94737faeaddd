"""The Keras callback: `fit`, `evaluate` and `predict`, as Keras tells of them."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from smaragdine.daemon.messages import Model
from smaragdine.frameworks.jax.tracer import JaxTracer
from smaragdine.frameworks.keras.batches import Batches
from smaragdine.frameworks.keras.logs import EnergyLogs, stand_first
from smaragdine.frameworks.tensorflow.graph import layer_paths
from smaragdine.recording.recorder import Recorder
from smaragdine.training.plan import Plan
from smaragdine.training.tracer import Tracer
from smaragdine.training.training import Training
from smaragdine.training.vigil import Call
from smaragdine.training.window import Auto

try:
    import keras
except ImportError as error:
    raise ImportError(
        "smaragdine.keras needs Keras 3, on TensorFlow, JAX or PyTorch\nhint: pip install 'smaragdine[tensorflow]'"
    ) from error

_LOG = logging.getLogger("smaragdine")
# The method that a user calls, and where Keras keeps its compiled step.
_CALLS = {"fit": "train_function", "evaluate": "test_function", "predict": "predict_function"}


class EnergyCallback(keras.callbacks.Callback):  # type: ignore[misc]
    """Records the energy of `fit`, `evaluate` or `predict` into the directory `output`, operation by operation.

    Energy is measured all the time, every `period`; operations are traced in windows of `window` steps, which open
    `every` so many steps, or ("auto") as often as their cost stays below 1 % of the training. A second `fit` records
    to `output`-2, and so on. `name` is the trace's name, the model's by default.

    The logs of each epoch hold joules per step and per sample (docs/trackers.md), for every callback that reads them.
    A run of MLflow or Weights & Biases that is active gets totals and the report, unless `trackers` is False. `budget`
    (`2 kWh`, `500 J`, or `100 g` of CO2e where the labels tell a `region`) warns when most of it and all of it is
    drawn; with `budget_stops`, `fit` then ends as by EarlyStopping. Where it is `pausable`, its owner may have it stand
    still between two steps, on the page of `smaragdine view`.

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
        budget: str | None = None,
        budget_stops: bool = False,
        trackers: bool = True,
        pausable: bool = False,
    ) -> None:
        super().__init__()
        self._plan = Plan(
            output,
            period=period,
            window=window,
            every=every,
            name=name,
            labels=labels,
            budget=budget,
            budget_stops=budget_stops,
            trackers=trackers,
            pausable=pausable,
        )
        self._recorder: Recorder | None = None
        self._call: _Call | None = None
        self._doing = ""
        self._log: EnergyLogs | None = None
        self._stands_first = False

    @property
    def path(self) -> Path | None:
        """The trace directory of the last training; None before the first, inside `smaragdine run`, and where recording
        could not start."""
        return self._recorder.path if self._recorder else None

    def finish(self) -> Path | None:
        """Waits until the trace is written and returns its directory; only needed after a training that raised."""
        return self._recorder.finish() if self._recorder else None

    def __getstate__(self) -> dict[str, Any]:
        # Tuners, wrappers and cross-validation copy callbacks, before as after a fit.
        fresh = {"_recorder": None, "_call": None, "_doing": "", "_model": None, "params": None, "_log": None}
        return {**self.__dict__, **fresh}

    def _begin(self, doing: str) -> None:
        under_way = self._call.under_way() if self._call else Call.around({self._doing}) is not None
        if self._doing not in ("", doing) and under_way:
            return  # validation inside `fit`
        self.finish()
        backend = keras.backend.backend()
        software = {"keras": str(keras.__version__)}
        if backend == "tensorflow":
            import tensorflow as tf

            software["tensorflow"] = str(tf.__version__)
        elif backend == "jax":
            import jax

            software["jax"] = str(jax.__version__)
        elif backend == "torch":
            import torch

            software["torch"] = str(torch.__version__)
        else:
            _LOG.warning("Keras runs on %s: energy is measured, but not broken down there", backend)
        self._call = self._log = None
        recorder = self._recorder = self._plan.start(getattr(self.model, "name", None), software)
        self._doing = doing
        if recorder.state != "recording":
            return
        try:
            tracer = _tracer(backend, recorder, self.model, doing)
            self._call = call = _Call(recorder, self._plan, tracer)
        except Exception as error:  # noqa: BLE001  the training goes on, and so does the measuring of its energy
            _LOG.warning("energy is measured, but not broken down: %r", error)
        else:
            recorder.before_finish(lambda: self._over(call))
            if doing == "fit":
                self._log = EnergyLogs(call.told)
                self._stands_first = stand_first(self, self._log)
                recorder.meter.begin()

    def _over(self, call: _Call) -> None:
        self._doing = ""
        call.let_go()

    def _end(self, doing: str) -> None:
        if self._doing == doing and self._recorder:
            if self._call:
                self._call.training.ended = True
            self._recorder.finish()
            self._doing = ""

    def _batch_begin(self, doing: str, batch: int) -> None:
        if self._doing == doing and self._call:
            self._call.step_begins(batch)

    def _batch_end(self, doing: str, batch: int, logs: Mapping[str, Any] | None) -> None:
        if self._doing == doing and self._call:
            self._call.training.step_ended(batch, logs)
            if doing == "fit" and self._call.training.to_stop():
                self.model.stop_training = True

    def _pause(self) -> None:
        if self._call:
            self._call.training.pause()

    def on_train_begin(self, logs: Any = None) -> None:
        self._begin("fit")

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        if self._call:
            self._call.epoch = epoch

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        self._batch_begin("fit", batch)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self._batch_end("fit", batch, logs)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self._pause()
        if self._log is not None and not self._stands_first:
            # No list of Keras' calls us: a loop of the user's own.
            self._log.on_epoch_end(epoch, logs)

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


def _tracer(backend: str, recorder: Recorder, model: Any, doing: str) -> Tracer | None:
    """What makes operations known on this backend of Keras', where anything does."""
    if backend == "jax":
        return JaxTracer(recorder.channel, model=Model(str(model.name), layer_paths(model)))
    if backend == "torch":
        import torch

        from smaragdine.frameworks.torch.tracer import TorchTracer

        return TorchTracer(recorder.channel, torch, [model])
    if backend != "tensorflow":
        return None
    from smaragdine.frameworks.tensorflow.program import Program
    from smaragdine.frameworks.tensorflow.tracer import TensorFlowTracer

    return TensorFlowTracer(recorder.channel, Program(model, [_CALLS[doing]]))


class _Call:
    """One `fit`, `evaluate` or `predict` while it is recorded."""

    def __init__(self, recorder: Recorder, plan: Plan, tracer: Tracer | None) -> None:
        self._call = Call.around(_CALLS)
        self._batches = Batches(self._call)
        under_way = self._call.under_way if self._call else None
        self.training = Training(
            recorder,
            plan.windows(),
            tracer,
            under_way=under_way,
            budget=plan.budget,
            trackers=plan.trackers,
            pausable=plan.pausable,
        )
        self.epoch = 0

    def under_way(self) -> bool:
        return self._call is None or self._call.under_way()

    def step_begins(self, batch: int) -> None:
        samples = self._batches.samples(batch)
        smallest = self._batches.smallest(samples)
        self.training.step_begins(batch, epoch=self.epoch, samples=samples, smallest_batch=smallest)

    def told(self, epoch: int) -> dict[str, float]:
        """What the epoch that ended spent on training, as logs have it; nothing where that cannot be told."""
        self.training.pause()
        try:
            return self.training.spending.tell(epoch)
        except Exception as error:  # noqa: BLE001  the training goes on, whatever its logs lack
            _LOG.warning("the logs of this epoch lack its energy: %r", error)
            return {}

    def let_go(self) -> None:
        if self._call:
            self._call.let_go()
