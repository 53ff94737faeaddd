"""Metrics of a program's own: named once, sampled about once a second while it is recorded.

A metric is a name, a unit, a function, and a check whether it can be sampled here. Each has a thread of its own, so
that one that does not answer holds up nothing; what one raises is told once, and it is asked again.
"""

from __future__ import annotations

import logging
import math
import re
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from smaragdine.daemon.messages import MetricValue, MetricValues
from smaragdine.errors import UsageError
from smaragdine.recording.sender import Sender

_LOG = logging.getLogger("smaragdine")
GROUP = "smaragdine.metrics"
_PERIOD_S = 1.0
# One that has not answered for so long is told.
_PATIENCE_S = 5.0
_NAME = re.compile(r"[a-z][a-z0-9_]{0,99}")
_MOST_SCOPES = 1000

Value = float | Mapping[str, float] | None


class Metric(NamedTuple):
    """`function` returns a number, or several by scope, or None where there is none at the moment."""

    name: str
    unit: str
    function: Callable[[], Value]
    check: Callable[[], object] | None = None


_REGISTERED: dict[str, Metric] = {}
_RUNNING: set[MetricSampler] = set()
_LOCK = threading.Lock()


def metric(name: str, *, unit: str, function: Callable[[], Value], check: Callable[[], object] | None = None) -> Metric:
    """Samples `function` about once a second in every recording of this process, into `metrics.parquet`.

    `name` is of lower-case letters, digits and `_`, and none of the daemon's metrics (docs/metrics.md); `unit` is that
    of its values, `1` for fractions and numbers. `function` is called on a thread of its own; it returns a number, a
    mapping of scopes to numbers, or None. `check` is called once before: where it returns False or raises, the metric
    is not sampled here, and `trace.json` says why. A second metric of the same name replaces the first.

    Raises `UsageError` where the name is none.
    """
    made = Metric(name, unit, function, check)
    if problem := _problem(made):
        raise UsageError(problem)
    with _LOCK:
        _REGISTERED[name] = made
        running = list(_RUNNING)
    for sampler in running:
        sampler.add(made)
    return made


def _problem(made: object) -> str | None:
    if not isinstance(made, Metric):
        return f"{made!r} is no metric"
    if not isinstance(made.name, str) or not _NAME.fullmatch(made.name):
        return f"a metric cannot be called {made.name!r}: lower-case letters, digits and _"
    if not isinstance(made.unit, str) or len(made.unit) > 50:
        return f"the metric {made.name} has no unit; 1 for fractions and numbers"
    return None if callable(made.function) else f"the metric {made.name} has no function"


class MetricSampler:
    """Samples the program's metrics for one recording until `close`. Nothing here raises or waits."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender
        self._stop = threading.Event()
        self._loops: dict[str, _Loop] = {}

    def start(self) -> None:
        """With those that are registered; installed packages are looked through for others, so call it elsewhere."""
        with _LOCK:
            if self._stop.is_set():
                return
            _RUNNING.add(self)
            registered = list(_REGISTERED.values())
        for made in registered:
            self.add(made)
        for made in _installed():
            if made.name not in self._loops:
                self.add(made)

    def add(self, made: Metric) -> None:
        if self._stop.is_set():
            return
        loop = _Loop(made, self._sender, self._stop)
        if before := self._loops.get(made.name):
            before.replaced.set()
        self._loops[made.name] = loop
        loop.start()

    def close(self) -> None:
        """Ends it; one that does not answer is told, and left behind."""
        with _LOCK:
            _RUNNING.discard(self)
            self._stop.set()
        for loop in list(self._loops.values()):
            loop.tell_if_stuck()


class _Loop:
    def __init__(self, made: Metric, sender: Sender, stop: threading.Event) -> None:
        self._metric = made
        self._sender = sender
        self._stop = stop
        self.replaced = threading.Event()
        self._asked_s: float | None = None
        self._told = False
        self._thread = threading.Thread(target=self._run, name=f"smaragdine-metric-{made.name}"[:60], daemon=True)

    def start(self) -> None:
        try:
            self._thread.start()
        except RuntimeError as error:
            # An interpreter that exits starts no more threads.
            _LOG.debug("%s", error)

    def tell_if_stuck(self) -> None:
        if self._asked_s is not None and time.monotonic() - self._asked_s > _PATIENCE_S:
            self._tell(f"it has not answered for {time.monotonic() - self._asked_s:.0f} s")

    def _run(self) -> None:
        if not self._can():
            return
        due_s = time.monotonic()
        while not self._stop.is_set() and not self.replaced.is_set():
            self._sample()
            # One that takes long is asked less often, and takes a half of the time at most.
            now_s = time.monotonic()
            due_s = max(due_s + _PERIOD_S, now_s + min(_PERIOD_S, now_s - due_s))
            self._stop.wait(due_s - now_s)

    def _can(self) -> bool:
        if self._metric.check is None:
            return True
        try:
            self._asked_s = time.monotonic()
            if self._metric.check():
                return True
            problem = "its check says that it cannot be sampled here"
        except Exception as error:  # noqa: BLE001  it is the user's, and may be anything
            problem = f"{type(error).__name__}: {error}"
        finally:
            self._asked_s = None
        self._send_problem(problem)
        return False

    def _sample(self) -> None:
        self._asked_s = time.monotonic()
        before_ns = time.monotonic_ns()
        try:
            values = _by_scope(self._metric.function())
        except Exception as error:  # noqa: BLE001  it is the user's, and may be anything
            self._tell(f"{type(error).__name__}: {error}")
            return
        finally:
            self._asked_s = None
        time_ns = (before_ns + time.monotonic_ns()) // 2
        if values:
            name, unit = self._metric.name, self._metric.unit
            self._sender.offer(
                MetricValues([MetricValue(name, unit, scope, time_ns, value) for scope, value in values.items()])
            )

    def _tell(self, problem: str) -> None:
        if not self._told:
            self._told = True
            _LOG.warning("the metric %s lacks values: %s", self._metric.name, problem)
            self._send_problem(problem)

    def _send_problem(self, problem: str) -> None:
        told = MetricValue(self._metric.name, self._metric.unit, "", time.monotonic_ns(), 0.0, problem[:200])
        self._sender.offer(MetricValues([told]))


def _by_scope(value: Value) -> dict[str, float]:
    if value is None:
        return {}
    given = value if isinstance(value, Mapping) else {"": value}
    if len(given) > _MOST_SCOPES:
        raise ValueError(f"{len(given)} scopes are too many")
    numbers = {str(scope)[:100]: float(number) for scope, number in given.items()}
    if wrong := next((number for number in numbers.values() if not math.isfinite(number)), None):
        raise ValueError(f"{wrong} is no number")
    return numbers


def _installed() -> Iterable[Metric]:
    """Those that installed packages bring: an entry point of the group leads to a `Metric`, or to several."""
    from importlib.metadata import entry_points

    try:
        found = list(entry_points(group=GROUP))
    except Exception as error:  # noqa: BLE001  a finder that somebody installed may do anything
        _LOG.debug("entry points are not known: %s", error)
        return
    for point in found:
        try:
            loaded = point.load()
            made = [loaded] if isinstance(loaded, Metric) else list(loaded)
            if problem := next((told for told in map(_problem, made) if told), None):
                raise ValueError(problem)
        except Exception as error:  # noqa: BLE001  it is somebody else's package
            _LOG.warning("the metric %s of %s is not sampled: %s: %s", point.name, point.value,
                         type(error).__name__, error)  # fmt: skip
            continue
        yield from made
