"""The steps of a training, as its hooks tell them: a step's logged metrics may come later, and from any thread."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from smaragdine.daemon.messages import Step

# A metric of ours: how many functions a step compiled. Only where it did: it is no steady step.
COMPILATIONS = "compilations"
# Steps whose metrics have not come: Keras hands them to few threads at once.
_MOST_WAITING = 256


@dataclass(eq=False, slots=True)
class StepMark:
    """A step that runs; what is known about it may be set until it ends."""

    # Below 0: the next, once it begins.
    step: int = -1
    epoch: int = 0
    samples: int = 0
    traced: bool = False
    metrics: dict[str, Any] = field(default_factory=dict)
    # Where a framework counts the batches of an epoch: the first of the step's.
    batch: int = field(default=0, repr=False)
    start_ns: int = field(default=0, repr=False)
    end_ns: int | None = field(default=None, repr=False)
    # When its metrics came; None until then.
    logged_ns: int | None = field(default=None, repr=False)
    compilations: int = field(default=0, repr=False)

    def log(self, logs: Mapping[str, Any]) -> None:
        """It ended, and this was logged for it."""
        # Now: what is logged may be computed anew in place.
        self.metrics, self.logged_ns = numbers(logs) if logs else {}, self.end_ns


class Steps:
    """Numbers steps from 0, and sends each once it has ended and its metrics are known."""

    def __init__(self, send: Callable[[list[Step]], None]) -> None:
        self._send_all = send
        # Re-entrant: SIGTERM may finish a recording between any two instructions of the training thread.
        self._lock = threading.RLock()
        # The number of the next step that has none.
        self.next = 0
        self._running: StepMark | None = None
        self._waiting: deque[StepMark] = deque()

    @property
    def running(self) -> bool:
        """Whether a step runs."""
        return self._running is not None

    def number(self, mark: StepMark) -> None:
        """Numbers a step that begins as the next, unless it has a number."""
        if mark.step < 0:
            mark.step = self.next
        self.next = mark.step + 1

    def begin(self, mark: StepMark) -> None:
        """A step begins."""
        self.number(mark)
        self._running = mark
        mark.start_ns = time.monotonic_ns()

    def stop(self, *, late: bool = False) -> StepMark | None:
        """The step that runs, if any, ended just now; where this comes `late`, when its metrics came."""
        mark, self._running = self._running, None
        if mark is not None:
            mark.end_ns = mark.logged_ns if late and mark.logged_ns is not None else time.monotonic_ns()
        return mark

    def complete(self, marks: Sequence[StepMark]) -> None:
        """Sends steps that have ended, with what was logged for them; where that is not known yet, once it is."""
        if not self._waiting and all(mark.logged_ns is not None for mark in marks):
            self._send(marks)
            return
        with self._lock:
            self._waiting.extend(marks)
            ready = self._ready()
        self._send(ready)

    def drop(self) -> None:
        """The step that runs, if any, broke off: it is none."""
        self._running = None

    def restart(self) -> None:
        """The step that runs, if any, is none, and gives its number back."""
        running, self._running = self._running, None
        if running is not None:
            self.next = running.step

    def logs(self, batch: int, logs: Mapping[str, Any] | None) -> None:
        """What was logged for the step that ended with this batch."""
        metrics = numbers(logs or {})
        with self._lock:
            running = self._running
            candidates = [*self._waiting, *([running] if running else [])]
            # With several batches a step, it began with an earlier one.
            match = [mark for mark in candidates if mark.logged_ns is None and mark.batch <= batch]
            if match:
                match[-1].metrics = metrics
                match[-1].logged_ns = time.monotonic_ns()
            ready = self._ready()
        self._send(ready)

    def flush(self, *, whole: bool = True) -> None:
        """Sends steps whose metrics never came; without `whole`, the one that runs broke off and is none."""
        if not whole and self._running and self._running.logged_ns is None:
            self.drop()
        if (mark := self.stop(late=True)) is not None:
            self.complete([mark])
        with self._lock:
            ready = list(self._waiting)
            self._waiting.clear()
        self._send(ready)

    def _ready(self) -> list[StepMark]:
        surplus = len(self._waiting) - _MOST_WAITING
        ready = [mark for i, mark in enumerate(self._waiting) if mark.logged_ns is not None or i < surplus]
        for mark in ready:
            self._waiting.remove(mark)
        return ready

    def _send(self, ready: Sequence[StepMark]) -> None:
        if ready:
            self._send_all([_step(mark) for mark in ready])


def _step(mark: StepMark) -> Step:
    end_ns = mark.end_ns if mark.end_ns is not None else mark.start_ns
    metrics = mark.metrics
    if mark.compilations:
        metrics = {**metrics, COMPILATIONS: float(mark.compilations)}
    return Step(mark.step, mark.start_ns, end_ns, mark.epoch, mark.traced, mark.samples, metrics)


def numbers(logs: Mapping[str, Any]) -> dict[str, float]:
    """What of the logged values is a number, and can be kept."""
    kept = {}
    for name, value in logs.items():
        try:
            number = float(value)
        except (TypeError, ValueError):
            continue
        if math.isfinite(number):
            kept[str(name)] = number
    return kept
