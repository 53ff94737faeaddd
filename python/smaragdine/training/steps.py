"""The steps of a training, as its callbacks tell them: a step's logged metrics may come later, and from any thread."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from smaragdine.daemon.messages import Step

# A metric of ours: how many functions a step compiled. Only where it did: it is no steady step.
COMPILATIONS = "compilations"
# Steps whose metrics have not come: Keras hands them to few threads at once.
_MOST_WAITING = 256


@dataclass
class _Running:
    number: int
    batch: int
    epoch: int
    traced: bool
    samples: int
    start_ns: int
    end_ns: int | None = None
    logged_ns: int | None = None
    compilations: int = 0
    metrics: dict[str, float] | None = field(default=None)


class Steps:
    """Numbers steps from 0, and marks each once it has ended and its metrics are known."""

    def __init__(self, mark: Callable[[Step], None]) -> None:
        self._mark = mark
        # Re-entrant: SIGTERM may finish a recording between any two instructions of the training thread.
        self._lock = threading.RLock()
        self._next = 0
        self._running: _Running | None = None
        self._waiting: deque[_Running] = deque()

    @property
    def count(self) -> int:
        """How many steps have begun."""
        return self._next

    def begin(self, batch: int, *, epoch: int = 0, traced: bool = False, samples: int = 0) -> None:
        """A step begins with this batch of its epoch; one that runs ends."""
        self.end()
        self._running = _Running(self._next, batch, epoch, traced, samples, time.monotonic_ns())
        self._next += 1

    @property
    def running(self) -> bool:
        """Whether a step runs."""
        return self._running is not None

    def end(self, compilations: int = 0, *, logs: Mapping[str, Any] | None = None, late: bool = False) -> float | None:
        """The step that runs, if any, ended just now, having compiled so many functions; returns its seconds.

        `logs` is what was logged for it, where that is known already. Where this comes `late`, it ended when its
        metrics came.
        """
        now = time.monotonic_ns()
        running, self._running = self._running, None
        if running is None:
            return None
        if late and running.logged_ns is not None:
            now = running.logged_ns
        running.end_ns = now
        running.compilations = compilations
        if logs is not None:
            running.metrics = numbers(logs)
        if running.metrics is not None and not self._waiting:
            self._send([running])
        else:
            with self._lock:
                self._waiting.append(running)
                ready = self._ready()
            self._send(ready)
        return (now - running.start_ns) / 1e9

    def logs(self, batch: int, logs: Mapping[str, Any] | None) -> None:
        """What was logged for the step that ended with this batch."""
        metrics = numbers(logs or {})
        with self._lock:
            running = self._running
            candidates = [*self._waiting, *([running] if running else [])]
            # With several batches a step, it began with an earlier one.
            match = [step for step in candidates if step.metrics is None and step.batch <= batch]
            if match:
                match[-1].metrics = metrics
                match[-1].logged_ns = time.monotonic_ns()
            ready = self._ready()
        self._send(ready)

    def flush(self, *, whole: bool = True) -> None:
        """Marks steps whose metrics never came; without `whole`, the one that runs broke off and is none."""
        if not whole and self._running and self._running.metrics is None:
            self._running = None
        self.end(late=True)
        with self._lock:
            ready = list(self._waiting)
            self._waiting.clear()
        self._send(ready)

    def _ready(self) -> list[_Running]:
        surplus = len(self._waiting) - _MOST_WAITING
        ready = [s for i, s in enumerate(self._waiting) if s.metrics is not None or i < surplus]
        for step in ready:
            self._waiting.remove(step)
        return ready

    def _send(self, ready: list[_Running]) -> None:
        for s in ready:
            end_ns = s.end_ns if s.end_ns is not None else s.start_ns
            metrics = s.metrics or {}
            if s.compilations:
                metrics = {**metrics, COMPILATIONS: float(s.compilations)}
            self._mark(Step(s.number, s.start_ns, end_ns, s.epoch, s.traced, s.samples, metrics))


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
