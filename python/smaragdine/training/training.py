"""One training while it is recorded: its steps, the windows in which they are traced, and its end, in any framework."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from smaragdine.recording.recorder import Recorder
from smaragdine.training.budget import Allowance, Budget
from smaragdine.training.enclosed import Calm, EnclosedStep
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
        before_step: Callable[[], object] = lambda: None,
    ) -> None:
        """`under_way` tells whether it still runs, where a framework does not say that it ended: it is then ended.

        `trackers`: whether experiment trackers that are active are told of it. `pausable`: whether its owner may have
        it stand still between two steps. `before_step` is called before a step that the program's own code encloses,
        but where nothing is to be done.
        """
        self._before_step = before_step
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
        # What its steps spent, for whoever logs it.
        self.spending = Spending(recorder.meter)
        self.allowance = Allowance(budget, recorder) if budget is not None else None
        self._thread = threading.get_ident()
        self._vigil: Vigil | None = None
        self._spans = Spans(self._channel.span, self._channel.numbers)
        self._brake = recorder.brake() if pausable else None
        self._calm = Calm(self._steps, self._brake)
        # How much the step that ends now compiled; its smallest batch is given.
        self._compilations: Callable[[int], int] = lambda batch: 0
        if tracer is not None:
            self.trace(tracer)
        if under_way is not None:
            self.watch(under_way)
        recorder.before_finish(self._close)
        follow(recorder, lambda: self.spending.rows, wanted=trackers)

    def trace(self, tracer: Tracer) -> None:
        """Windows of steps are traced by `tracer` from now on."""
        self._tracing = Tracing(self._channel, self._windows, tracer)
        self._compilations = tracer.compilations
        if hasattr(tracer, "on_compilation"):
            tracer.on_compilation = self._calm.end
        else:
            self._calm.polled = tracer.compilations

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
        mark = StepMark(epoch=epoch, samples=samples, batch=batch)
        if not self._steps.running and self._calm.holds(time.monotonic_ns()):
            self._smallest_batch = smallest_batch
            self._steps.begin(mark)
            return
        self._stand()
        with self._guard:
            self._edge()
            mark.traced = self._tracing is not None and self._tracing.step_begins()
            self._smallest_batch = smallest_batch
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
        return self._calm.within

    def events_sent(self) -> None:
        """The program sent events of its own: it has no need of windows, and the step that runs is traced."""
        self._calm.end()

    def abandon(self) -> None:
        """The step that runs, if any, is none: the program marks its own from now on."""
        self._calm.end()
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
            self.catch_up()
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

    def step(
        self,
        number: int | None = None,
        *,
        epoch: int = 0,
        samples: int = 0,
        metrics: Mapping[str, Any] | None = None,
        traced: bool | None = None,
    ) -> EnclosedStep:
        """Around a step of the program's own code. Entering it raises `BudgetReached` where a budget says so.

        It is `traced` where events of it are sent; by default, where a window is open or the program sent some
        within it.
        """
        step = EnclosedStep(self, self._calm, -1 if number is None else number, epoch, samples, traced)
        if metrics:
            step.metrics.update(metrics)
        return step

    def enter(self, step: EnclosedStep) -> None:
        """The program's own code begins a step. Raises `BudgetReached`."""
        within = self._calm.within
        if self.allowance is not None and not within:
            self.allowance.refuse()
        if not within:
            self._stand()
        self._steps.number(step)
        # No window opens or closes within a step: one within another, or on another thread, is only marked.
        step.outermost, self._calm.within = not within, True
        step.in_window = step.outermost and self._window_begins()
        step.sent, step.start_ns = self._channel.events_told, time.monotonic_ns()

    def leave(self, step: EnclosedStep, *, broke_off: bool) -> None:
        """The step ends."""
        try:
            if broke_off:
                # It is no step, and the window holds whole ones.
                if step.outermost and self._tracing:
                    with self._guard:
                        self._tracing.pause()
                return
            if step.in_window and self._tracing:
                with self._guard:
                    self._tracing.step_ends()
            step.end_ns = time.monotonic_ns()
            seen = step.in_window or step.traced or self._channel.events_told > step.sent
            step.traced = seen if step.wanted is None else step.wanted
            with self._guard:
                self._complete(step, step.metrics, step.samples if step.outermost else None)
        finally:
            self._calm.within = self._calm.within and not step.outermost

    def _window_begins(self) -> bool:
        with self._guard:
            self._before_step()
            # A program that sends events of its own has no need of a profiler besides.
            if self._tracing and not self._channel.events_told:
                return self._tracing.step_begins()
        return False

    def _edge(self, logs: Mapping[str, Any] | None = None, *, late: bool = False) -> None:
        """The step that runs, if any, ends."""
        if self._steps.running and self._tracing and not late:
            self._tracing.step_ends()
        if (mark := self._steps.stop(late=late)) is not None:
            self._complete(mark, logs, self._smallest_batch, late=late)

    def _complete(
        self, mark: StepMark, logs: Mapping[str, Any] | None, smallest_batch: int | None, *, late: bool = False
    ) -> None:
        """A step ended, just now unless `late`; without a `smallest_batch`, within another or beside it, so that
        windows do not count it."""
        if logs is not None:
            mark.log(logs)
        if smallest_batch is None:
            self._steps.complete([mark])
            return
        mark.compilations = self._compilations(smallest_batch)
        if mark.traced and self._tracing:
            mark.traced = not self._tracing.cut
        self._calm.ended.append(mark)
        if logs is None or time.monotonic_ns() >= self._calm.until_ns:
            self.catch_up(None if late else mark.end_ns)

    def catch_up(self, edge_ns: int | None = None) -> None:
        """Tells the steps that ended, and sees whether something is to be done before the next one.

        `edge_ns` is when the last of them ended, where that brought it here: what an edge takes is known from it.
        """
        with self._guard:
            began_ns = time.monotonic_ns()
            ended = self._calm.taken()
            if ended and self._calm.polled is None:
                # What compiled without being heard, in time or at all.
                ended[-1].compilations += self._compilations(0)
            self._steps.complete(ended)
            self.spending.stepped(ended)
            # A step's begin takes as long as its end.
            edges_ns = 2 * len(ended) * (began_ns - edge_ns) if edge_ns is not None else 0
            self._windows.told((time.monotonic_ns() - began_ns + edges_ns) / 1e9)
            if self._tracing:
                self._tracing.steps_ended(ended)
            if self._nothing_to_do():
                self._calm.renew()
            else:
                self._calm.end()

    def broke(self, error: Exception) -> None:
        """What a tracer raises ends the recording, never the training."""
        with self._guard:
            raise error

    def _nothing_to_do(self) -> bool:
        stops = self.allowance is not None and self.allowance.budget.stops
        idle = self._tracing is not None and self._tracing.idle
        return idle and not stops and not self._channel.events_told and self.recorder.state == "recording"

    def _close(self) -> None:
        if not self.ended:
            self._channel.note("the training ended early: it raised, or was interrupted")
            _LOG.warning("the training ended early; what was measured until then is in %s", self.recorder.path)
        if self._vigil:
            self._vigil.end()
        self.catch_up()
        self._steps.flush(whole=self.ended and not self.open_ended)
        if self._tracing:
            self._tracing.end()
