"""One training while it is recorded: its steps, the windows in which they are traced, and its end, in any framework."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from smaragdine.recording.recorder import Recorder
from smaragdine.training.budget import Allowance, Budget
from smaragdine.training.spans import Spans
from smaragdine.training.spending import Spending
from smaragdine.training.steps import StepMark, Steps
from smaragdine.training.tracer import Job, Tracer
from smaragdine.training.tracing import Tracing
from smaragdine.training.trackers.following import follow
from smaragdine.training.vigil import Vigil
from smaragdine.training.window import Windows

_LOG = logging.getLogger("smaragdine")
# What the span is called in which a training stands still because its owner asked for it.
PAUSE = "pause"


class Training:
    """Told of steps by a hook, on the thread that trains; what goes wrong here ends the recording, never the training.

    A hook either begins and ends steps (`step_begins`, `step_ended`), or the program's own code encloses them (`step`).
    """

    def __init__(
        self,
        recorder: Recorder,
        windows: Windows,
        tracer: Tracer | None = None,
        *,
        under_way: Callable[[], bool] | None = None,
        budget: Budget | None = None,
        trackers: bool = True,
        pausable: bool = False,
    ) -> None:
        """`under_way` tells whether it still runs, where a framework does not say that it ended: it is then ended.

        `trackers`: whether experiment trackers that are active are told of it. `pausable`: whether its owner may have
        it stand still between two steps.
        """
        self.recorder = recorder
        # It went to its end, or whoever encloses it sees to that: a framework says nothing where a step raises.
        self.ended = False
        # Each step begins where the last one ends: what runs when the training ends is none.
        self.open_ended = False
        self._channel = recorder.channel
        self._guard = recorder.guarded()
        self._windows = windows
        self._tracing: Tracing | None = None
        self._steps = Steps(self._channel.mark)
        self._smallest_batch = 0
        self._within = False
        # What its steps spent, for whoever logs it.
        self.spending = Spending(recorder.meter)
        self.allowance = Allowance(budget, recorder) if budget is not None else None
        self._thread = threading.get_ident()
        self._vigil: Vigil | None = None
        self._spans = Spans(self._channel.span, self._channel.numbers)
        self._brake = recorder.brake() if pausable else None
        if tracer is not None:
            self.trace(tracer)
        if under_way is not None:
            self.watch(under_way)
        recorder.before_finish(self._close)
        follow(recorder, lambda: self.spending.rows, wanted=trackers)

    def trace(self, tracer: Tracer) -> None:
        """Windows of steps are traced by `tracer` from now on."""
        self._tracing = Tracing(self._channel, self._windows, tracer)

    @property
    def traceable(self) -> bool:
        """Whether a tracer was given."""
        return self._tracing is not None

    @property
    def traced(self) -> bool:
        """Whether a window is open: the step that runs is traced."""
        return self._tracing is not None and self._tracing.is_open

    def watch(self, under_way: Callable[[], bool]) -> None:
        """Ends the recording once this says no, in place of what was watched before."""
        if self._vigil:
            self._vigil.end()
        self._vigil = Vigil(under_way, self.recorder.finish)

    def later(self, job: Job, *, free: bool = False) -> None:
        """Does `job` in the background, in order with what windows ship; `free`: it has no part in their cost."""
        if self._tracing:
            self._tracing.later(job, (lambda seconds: None) if free else None)

    def step_begins(self, batch: int = 0, *, epoch: int = 0, samples: int = 0, smallest_batch: int = 0) -> None:
        """A step begins with this batch of its epoch; one that runs ends.

        It takes `samples` examples, the smallest of its batches `smallest_batch`; 0 where unknown.
        """
        self._stand()
        with self._guard:
            self._edge()
            traced = self._tracing is not None and self._tracing.step_begins()
            self._smallest_batch = smallest_batch
            mark = self._steps.new(epoch=epoch, samples=samples, batch=batch)
            mark.traced = traced
            self._steps.begin(mark)

    def step_ended(self, batch: int = 0, logs: Mapping[str, Any] | None = None) -> None:
        """The step that ended with this batch, and what was logged for it. May come from any thread: only the
        training's own knows the step's edge."""
        with self._guard:
            if threading.get_ident() == self._thread and self._steps.running:
                self._edge(logs or {})
            else:
                self._steps.logs(batch, logs)

    @property
    def within_step(self) -> bool:
        """Whether the program's own code encloses a step now."""
        return self._within

    def abandon(self) -> None:
        """The step that runs, if any, is none: the program marks its own from now on."""
        with self._guard:
            self.open_ended = False
            self._steps.restart()

    def to_stop(self) -> bool:
        """Whether its budget is reached and it is to stop, as whoever calls this then does."""
        if self.allowance is None or not self.allowance.stops:
            return False
        self.allowance.stopped()
        return True

    def pause(self) -> None:
        """No step runs now: an epoch ended, or validation begins."""
        with self._guard:
            self._edge(late=True)
            self.spending.pause()
            if self._tracing:
                self._tracing.pause()

    def _stand(self) -> None:
        """Stands still before a step for as long as the owner asks for: it is none, and a span of the trace."""
        if self._brake is None or not self._brake.pulled:
            return
        self.pause()
        with self._spans.span(PAUSE):
            self._brake.stand()

    @contextmanager
    def step(
        self,
        number: int | None = None,
        *,
        epoch: int = 0,
        samples: int = 0,
        metrics: Mapping[str, Any] | None = None,
        traced: bool | None = None,
        before: Callable[[], object] = lambda: None,
    ) -> Iterator[StepMark]:
        """Around a step of the program's own code, which calls `before` where no other step encloses it.

        Raises `BudgetReached` before it begins where a budget says so. Code that raises is no step. It is
        `traced` where events of it are sent; by default, where a window is open or the program sent some within it.
        """
        if self.allowance is not None and not self._within:
            self.allowance.refuse()
        if not self._within:
            self._stand()
        mark = self._steps.new(number, epoch=epoch, samples=samples)
        mark.metrics.update(metrics or {})
        # No window opens or closes within a step: one within another, or on another thread, is only marked.
        outermost, self._within = not self._within, True
        in_window = outermost and self._window_begins(before)
        told, mark.start_ns = self._channel.events_told, time.monotonic_ns()
        try:
            yield mark
        except BaseException:
            # It broke off: it is no step, and the window holds whole ones.
            if outermost and self._tracing:
                with self._guard:
                    self._tracing.pause()
            raise
        else:
            if in_window and self._tracing:
                with self._guard:
                    self._tracing.step_ends()
            mark.end_ns = time.monotonic_ns()
            seen = in_window or mark.traced or self._channel.events_told > told
            mark.traced = seen if traced is None else traced
            with self._guard:
                self._complete(mark, mark.metrics, mark.samples if outermost else None)
        finally:
            self._within = self._within and not outermost

    def _window_begins(self, before: Callable[[], object]) -> bool:
        with self._guard:
            before()
            # A program that sends events of its own has no need of a profiler besides.
            if self._tracing and not self._channel.events_told:
                return self._tracing.step_begins()
        return False

    def _edge(self, logs: Mapping[str, Any] | None = None, *, late: bool = False) -> None:
        """The step that runs, if any, ends."""
        if self._steps.running and self._tracing and not late:
            self._tracing.step_ends()
        if (mark := self._steps.stop(late=late)) is not None:
            self._complete(mark, logs, self._smallest_batch)

    def _complete(self, mark: StepMark, logs: Mapping[str, Any] | None, smallest_batch: int | None) -> None:
        """A step ended; without a `smallest_batch`, within another or beside it, so that windows do not count it."""
        tracing = self._tracing if smallest_batch is not None else None
        if tracing:
            mark.compilations = tracing.compilations(smallest_batch or 0)
            mark.traced = mark.traced and not tracing.cut
        self._steps.complete(mark, logs)
        if smallest_batch is not None and mark.end_ns is not None:
            self.spending.stepped(mark.start_ns, mark.end_ns, mark.samples)
        if tracing and mark.end_ns is not None:
            tracing.step_ended((mark.end_ns - mark.start_ns) / 1e9, compiled=mark.compilations > 0)

    def _close(self) -> None:
        if not self.ended:
            self._channel.note("the training ended early: it raised, or was interrupted")
            _LOG.warning("the training ended early; what was measured until then is in %s", self.recorder.path)
        if self._vigil:
            self._vigil.end()
        self._steps.flush(whole=self.ended and not self.open_ended)
        if self._tracing:
            self._tracing.end()
