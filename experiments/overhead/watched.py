"""EnergyCallback and EnergyHook at their defaults, with everything that they do called by a `Meter` or by `Turns`."""

from __future__ import annotations

import threading
from functools import partial
from pathlib import Path
from typing import Any

from smaragdine.keras import EnergyCallback
from smaragdine.tensorflow import EnergyHook
from smaragdine.training.plan import Plan

from .meter import Meter
from .turns import Turns
from .windows import watch_windows


def watch_plan(plan: Plan, watch: Meter | Turns) -> None:
    """As `watch_windows`, of those that a plan has for its training."""
    windows = plan.windows()
    watch_windows(windows, watch)
    plan.windows = lambda: windows  # type: ignore[method-assign]


class Callback(EnergyCallback):
    """For a `fit` of one epoch, whose batches are its steps."""

    def __init__(self, output: Path, watch: Meter | Turns) -> None:
        super().__init__(output)
        self._watch = watch
        watch_plan(self._plan, watch)

    def on_train_begin(self, logs: Any = None) -> None:
        self._watch.start(partial(super().on_train_begin, logs))

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        self._watch.before(partial(super().on_train_batch_begin, batch, logs), partial(super().on_epoch_end, 0))
        if self._watch.over:
            self.model.stop_training = True

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        # Keras waits for it except where the backend is thread-safe, as TensorFlow was to it before 3.15.
        waited_for = threading.current_thread() is threading.main_thread()
        self._watch.after(partial(super().on_train_batch_end, batch, logs), batch, waited_for=waited_for)

    def on_train_end(self, logs: Any = None) -> None:
        self._watch.end(partial(super().on_train_end, logs))


class Hook(EnergyHook):
    def __init__(self, output: Path, watch: Meter | Turns) -> None:
        super().__init__(output)
        self._watch = watch
        self._step = -1
        watch_plan(self._plan, watch)

    def begin(self) -> None:
        self._watch.start(super().begin)

    def before_run(self, run_context: Any) -> Any:
        self._step += 1
        asked: list[Any] = []
        before = super().before_run
        # A window that is open when a block ends goes on in the next block that is on: there is no profiler to stop.
        self._watch.before(lambda: asked.append(before(run_context)), lambda: None)
        return asked[0] if asked else None

    def after_run(self, run_context: Any, run_values: Any) -> None:
        self._watch.after(partial(super().after_run, run_context, run_values), self._step, waited_for=True)
        if self._watch.over:
            run_context.request_stop()

    def end(self, session: Any) -> None:
        self._watch.end(partial(super().end, session))
