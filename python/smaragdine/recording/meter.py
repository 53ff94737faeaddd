"""Joules so far, while a recording runs: the daemon tells them some times a second to whoever asked once."""

from __future__ import annotations

import logging
import threading
from bisect import bisect_right
from collections.abc import Callable

from smaragdine.daemon.client import Client, Live
from smaragdine.errors import SmaragdineError
from smaragdine.recording.spent import Spent

_LOG = logging.getLogger("smaragdine")
# The daemon answers with what it knows; on a busy machine that takes a moment.
_PATIENCE_S = 2.0
# Each message takes most of a millisecond of the program's interpreter.
_PERIOD_NS = 250_000_000
# Some minutes; of longer ones, every second point goes, again and again.
_MOST_POINTS = 4096


class Meter:
    """Follows one recording from the first call of `begin` or `read` on."""

    def __init__(self, client: Client | None, recording: str, start_ns: int | None = None) -> None:
        """The recording started at `start_ns` of CLOCK_MONOTONIC, where that is known: nothing was spent by then."""
        self._client = client
        self._recording = recording
        self._energy_j: dict[str, float] = {}
        self._points = [Spent(start_ns, {})] if start_ns is not None else []
        self._changed = threading.Condition()
        self._ended = client is None
        self._thread: threading.Thread | None = None
        self._each: list[Callable[[Spent], object]] = []
        self._lost: list[Callable[[], object]] = []

    def begin(self) -> None:
        """Starts to follow, without waiting."""
        if self._thread is None and self._client is not None:
            self._thread = threading.Thread(
                target=self._follow, args=(self._client,), name="smaragdine-meter", daemon=True
            )
            try:
                self._thread.start()
            except RuntimeError as error:  # an interpreter that exits starts no more threads
                self._ended = True
                _LOG.debug("%s", error)

    def read(self) -> dict[str, float]:
        """Joules by domain since the start, at most some tenths of a second old; empty where none are known.

        The first call waits for the daemon, no further one does.
        """
        first = self._thread is None
        self.begin()
        if first:
            self._wait(lambda: bool(self._energy_j), _PATIENCE_S)
        return dict(self._energy_j)

    @property
    def spent(self) -> Spent | None:
        """What is known by now, some tenths of a second old; None where nothing is. Never waits."""
        return self._points[-1] if self._points else None

    def wait_for(self, until_ns: int, patience_s: float) -> None:
        """Waits until more is known than `until_ns` of CLOCK_MONOTONIC, as long as `patience_s`."""
        self._wait(lambda: bool(self._points) and self._points[-1].until_ns >= until_ns, patience_s)

    def at(self, time_ns: int) -> Spent | None:
        """What was spent until `time_ns`; None where that was never known, or is not yet."""
        with self._changed:
            points = self._points
            place = bisect_right(points, time_ns, key=lambda point: point.until_ns)
            if place == 0:
                return None
            before = points[place - 1]
            if before.until_ns == time_ns:
                return before
            return before.towards(points[place], time_ns) if place < len(points) else None

    @property
    def since_ns(self) -> int | None:
        """The earliest time of which something is known."""
        return self._points[0].until_ns if self._points else None

    def tell(self, each: Callable[[Spent], object], lost: Callable[[], object]) -> None:
        """Calls `each` on a thread of its own whenever more is known, and `lost` once nothing more will be."""
        self._each.append(each)
        self._lost.append(lost)
        self.begin()

    def _wait(self, known: Callable[[], bool], patience_s: float) -> None:
        with self._changed:
            self._changed.wait_for(lambda: known() or self._ended, patience_s)

    def _follow(self, client: Client) -> None:
        try:
            for live in client.watch(self._recording, _PERIOD_NS):
                self._take(live)
        except SmaragdineError as error:
            # It ended, or its daemon did: what was read last stands.
            _LOG.debug("%s", error)
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify_all()
            for lost in self._lost:
                lost()

    def _take(self, live: Live) -> None:
        spent = Spent.of(live)
        with self._changed:
            self._energy_j = dict(live.energy_j)
            new = spent is not None and (not self._points or spent.until_ns > self._points[-1].until_ns)
            if new and spent is not None:
                if len(self._points) >= _MOST_POINTS:
                    self._points = [self._points[0], *self._points[1::2]]
                self._points.append(spent)
            self._changed.notify_all()
        if new and spent is not None:
            for each in self._each:
                each(spent)
