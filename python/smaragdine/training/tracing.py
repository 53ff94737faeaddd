"""Windows opened and closed: a tracer's work is done here, on the right thread, and what it costs is written down."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence

from smaragdine.recording.channel import Channel
from smaragdine.training.shipper import Shipper
from smaragdine.training.steps import StepMark
from smaragdine.training.tracer import Closed, Job, RefusedError, Tracer
from smaragdine.training.window import Windows

_LOG = logging.getLogger("smaragdine")
# A profile of a million events takes some seconds to stop.
_PATIENCE_S = 20.0


class Tracing:
    """One tracer over one training. All but its jobs is called on the thread that trains, between steps."""

    def __init__(self, channel: Channel, windows: Windows, tracer: Tracer) -> None:
        self._channel = channel
        self._windows = windows
        self._tracer = tracer
        self._shipper = Shipper()
        self._stopping: threading.Thread | None = None
        self._refused = self._described = False
        self._steps = 0

    @property
    def is_open(self) -> bool:
        """Whether the step that runs is being traced."""
        return self._windows.open

    @property
    def idle(self) -> bool:
        """Whether the next steps need only be counted: no window is open, about to open or being closed."""
        return self._steps > 0 and self._windows.idle and (self._channel.paused or not self._windows.wants_open())

    def step_begins(self) -> bool:
        """A step is about to begin; returns whether it is traced."""
        if not self.is_open and not self._channel.paused and self._windows.wants_open():
            # What the program is made of is known once it has run, and told before the first window.
            if self._steps:
                self._describe()
            self._open()
        return self.is_open

    def step_ends(self) -> None:
        """A step is about to end: where it is the last of a window, so does what it left to devices."""
        if self._windows.closes_next():
            self._tracer.settle()

    @property
    def cut(self) -> bool:
        """Whether the window closed before the step that ends now had ended: it is not traced."""
        return bool(getattr(self._tracer, "cut", False))

    def steps_ended(self, marks: Sequence[StepMark]) -> None:
        """These steps ended: one, or several between which nothing was to be done."""
        for mark in marks:
            if mark.end_ns is not None:
                self._steps += 1
                self._windows.stepped((mark.end_ns - mark.start_ns) / 1e9, compiled=mark.compilations > 0)
        if self._windows.wants_close():
            self._close_meanwhile()
        if self._steps == 1 and not self.is_open and not self._described:
            began = time.monotonic_ns()
            if self._tracer.first_step_ended():
                self._pay(began)

    def pause(self) -> None:
        """No step runs now: an open window closes. Returns once no profiler runs."""
        closed = self._closed()
        if closed is not None:
            self._stop(closed)
        self._wait()

    def later(self, job: Job, done: Callable[[float], None] | None = None) -> None:
        """Does `job` in the background; `done`, by default the windows' budget, is told the CPU time that it took."""
        self._shipper.submit(job, done or self._windows.spend)

    def end(self) -> None:
        """Waits until all that is known was sent."""
        self.pause()
        self._describe()
        if self._steps:
            for job in self._tracer.conclude():
                self._shipper.submit(job)
        self._shipper.close()

    def _describe(self) -> None:
        if self._described:
            return
        self._described = True
        began = time.monotonic_ns()
        if jobs := self._tracer.describe():
            self._pay(began)
        for job in jobs if self._steps else ():
            self.later(job)

    def _open(self) -> None:
        # TensorFlow, for one, has one profiler for all: the last window's has to be stopped.
        self._wait()
        began = time.monotonic_ns()
        try:
            took_time = self._tracer.open()
        except RefusedError as refused:
            self._windows.refused()
            if not self._refused:
                self._refused = True
                _LOG.warning("%s", refused)
            return
        ended = time.monotonic_ns()
        if took_time:
            self._channel.profiling(began, ended)
        self._windows.opened((ended - began) / 1e9 if took_time else 0.0)

    def _closed(self) -> Closed | None:
        if not self.is_open:
            return None
        began_ns = time.monotonic_ns()
        closed = self._tracer.close()
        self._windows.spend((time.monotonic_ns() - began_ns) / 1e9)
        self._windows.closed()
        return closed

    def _close_meanwhile(self) -> None:
        """Closes the open window, if any, while the training goes on: stopping may take as long as many steps."""
        closed = self._closed()
        if closed is None:
            return
        if closed.stop is None or closed.here:
            self._stop(closed)
            return
        self._windows.stopping()
        # Not the shipper, which may be busy, for events add up until the profiler is told.
        thread = threading.Thread(target=self._stop, args=(closed, True), name="smaragdine-stopper")
        try:
            thread.start()
        except RuntimeError:  # no thread is to be had, or the interpreter ends
            self._stop(closed)
        else:
            self._stopping = thread

    def _wait(self) -> None:
        stopping, self._stopping = self._stopping, None
        if stopping:
            began = time.monotonic_ns()
            # Not for ever: a signal may have brought the training thread here out of what the other waits for.
            stopping.join(_PATIENCE_S)
            self._windows.spend((time.monotonic_ns() - began) / 1e9)

    def _stop(self, closed: Closed, meanwhile: bool = False) -> None:
        """`meanwhile`: the training goes on, on other threads."""
        if closed.stop is not None:
            began, own_s, all_s = time.monotonic_ns(), time.thread_time(), time.process_time()
            closed.stop()
            took_ns = time.monotonic_ns() - began
            own_s, all_s = time.thread_time() - own_s, time.process_time() - all_s
            # Of steps that run meanwhile the energy is the training's: the span is as long as the profiler's part.
            part = min(own_s / max(all_s, 1e-9), 1.0) if meanwhile else 1.0
            self._channel.profiling(began, began + round(took_ns * part))
            self._windows.stopped(took_ns / 1e9, meanwhile=meanwhile)
            self._windows.saw(getattr(self._tracer, "events", 0))
            self._windows.expect(getattr(self._tracer, "dearer", 1.0))
        self._shipper.submit(closed.ship, self._windows.shipped)

    def _pay(self, began_ns: int) -> None:
        """What began then took the training's time until now."""
        ended_ns = time.monotonic_ns()
        self._channel.profiling(began_ns, ended_ns)
        self._windows.spend((ended_ns - began_ns) / 1e9)
