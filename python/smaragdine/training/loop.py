"""A loop of the program's own, which marks its steps: where TensorFlow runs them, windows of them are traced."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from smaragdine.daemon.messages import Step
from smaragdine.training.steps import COMPILATIONS, numbers
from smaragdine.training.window import Windows

if TYPE_CHECKING:
    from smaragdine.frameworks.tensorflow.operations import Operations
    from smaragdine.recording.recording import Recording


@dataclass
class StepMark:
    """A step that runs; what is known about it may be set until it ends."""

    step: int
    epoch: int = 0
    samples: int = 0
    traced: bool = False
    metrics: dict[str, float] = field(default_factory=dict)


class Loop:
    """Marks the steps of one recording. `model`, of which operations are traced, is what `Program` takes."""

    def __init__(self, recording: Recording, windows: Windows, model: Any = None) -> None:
        self._recording = recording
        self._windows = windows
        self._model = model
        self._operations: Operations | None = None
        self._next_step = 0
        self._running = False

    @contextmanager
    def step(
        self, step: int | None = None, *, epoch: int = 0, samples: int = 0, traced: bool | None = None
    ) -> Iterator[StepMark]:
        """As `Recording.step`."""
        mark = StepMark(self._next_step if step is None else step, epoch, samples)
        self._next_step = mark.step + 1
        # No window opens or closes within a step: one within another, or on another thread, is only marked.
        outermost, self._running = not self._running, True
        in_window = self._begins() if outermost else False
        told, start_ns = self._recording.told, time.monotonic_ns()
        try:
            yield mark
        except BaseException:
            # It broke off: it is no step, and the window holds whole ones.
            if outermost and self._operations:
                with self._recording.guarded():
                    self._operations.pause()
            raise
        else:
            end_ns = time.monotonic_ns()
            compiled = self._ended((end_ns - start_ns) / 1e9, mark.samples) if outermost else 0
            metrics = self._metrics(mark, compiled)
            seen = in_window or mark.traced or self._recording.told > told
            is_traced = seen if traced is None else traced
            self._recording.mark(Step(mark.step, start_ns, end_ns, mark.epoch, is_traced, mark.samples, metrics))
        finally:
            self._running = self._running and not outermost

    def _begins(self) -> bool:
        with self._recording.guarded():
            if self._operations is None and "tensorflow" in sys.modules and self._recording.state == "recording":
                self._operations = self._trace()
            # A program that sends events of its own has no need of a profiler besides.
            if self._operations and not self._recording.told:
                return self._operations.step_begins()
        return False

    def _ended(self, seconds: float, samples: int) -> int:
        with self._recording.guarded():
            if self._operations:
                compiled = self._operations.compiled(samples)
                self._operations.step_ended(seconds, compiled)
                return compiled
        return 0

    def _metrics(self, mark: StepMark, compiled: int) -> dict[str, float]:
        metrics: dict[str, float] = {}
        with self._recording.guarded():
            metrics = numbers(mark.metrics)
        return {**metrics, COMPILATIONS: float(compiled)} if compiled else metrics

    def _trace(self) -> Operations:
        from smaragdine.frameworks.tensorflow.functions import is_function
        from smaragdine.frameworks.tensorflow.operations import Operations
        from smaragdine.frameworks.tensorflow.program import Program
        from smaragdine.frameworks.tensorflow.reach import reached_by_caller

        # The step that is about to run is among what the loop's code names, if not among what the user told.
        program = Program(self._model, calls=list(filter(is_function, reached_by_caller())))
        # Whether a loop calls compiled functions or single operations cannot be known beforehand.
        operations = Operations(self._recording, self._windows, program, eager=True)
        self._recording.before_finish(operations.close)
        return operations
