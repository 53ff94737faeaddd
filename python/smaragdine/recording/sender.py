"""The way from the program to the daemon: a bounded queue, and one thread that empties it.

The training thread only ever appends to the queue; where it is full the message is dropped and counted.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Iterator

from smaragdine.daemon.client import Client
from smaragdine.daemon.messages import ClockPair, Message, Note, Profile, Stamped, Step, StepBatch
from smaragdine.errors import SmaragdineError

_LOG = logging.getLogger("smaragdine")
# StepBatch of several minutes at a thousand steps a second, should the daemon stall that long.
MOST_MESSAGES = 100_000
# Profiles wait where they are, in a background thread, once this much is under way.
MOST_BYTES = 32 << 20
_MOST_PROBLEMS = 5
# In one message, of which each may have some metrics.
_MOST_STEPS = 2_000
# Small messages leave together: each awakening of this thread costs the training's interpreter more than the message.
_GATHER_S = 0.5
# A step ends before it is told: one that joins a message that has waited for long is told now, and so is that message.
_STALE_NS = 200_000_000


class Sender:
    """Sends the messages of one recording, in order, until `close`."""

    def __init__(
        self, client: Client | None, recording: str, *, most_messages: int = MOST_MESSAGES, most_bytes: int = MOST_BYTES
    ) -> None:
        """Without a client nothing is ever sent."""
        self._client = client
        self._recording = recording
        self._most_bytes = most_bytes
        self._changed = threading.Condition()
        self._queue: deque[Stamped] = deque()
        self._bytes = 0
        # For so many more messages, or steps.
        self._room = most_messages
        self._sequence = 0
        self._acknowledged = 0
        self._closed = False
        self._ended = client is None
        self._problems = 0
        self._gather = True
        # Messages, or steps, that found the queue full.
        self.dropped = 0
        # The daemon asks to send nothing that can wait.
        self.paused = False
        # Why the stream broke, where it did.
        self.broken: SmaragdineError | None = None
        # Started with the first message: waiting for answers is what a recording without any would cost the program.
        self._thread = threading.Thread(target=self._run, name="smaragdine-sender", daemon=True)

    @property
    def acknowledged(self) -> int:
        """How many messages are safe with the daemon."""
        return self._acknowledged

    @property
    def open(self) -> bool:
        """Whether what is sent now can arrive."""
        return not (self._closed or self._ended)

    def offer(self, message: Message) -> bool:
        """Queues a message without ever waiting. False where it was dropped."""
        with self._changed:
            if not self.open:
                return False
            if self._room < _weight(message):
                self.dropped += _weight(message)
                return False
            self._append(message)
            return True

    def mark(self, steps: list[Step]) -> bool:
        """Queues steps as `offer` does, with those that wait: a message for each would cost more than a step."""
        with self._changed:
            stamped = self._queue[-1] if self._queue else None
            last = stamped.message if stamped else None
            full = self._room < len(steps) or not self.open
            if full or not isinstance(last, StepBatch) or len(last.steps) + len(steps) > _MOST_STEPS:
                return self.offer(StepBatch(steps))
            last.steps.extend(steps)
            if stamped and time.monotonic_ns() - stamped.clock.monotonic_ns > _STALE_NS:
                self._queue[-1] = stamped._replace(clock=ClockPair.now())
            self._room -= len(steps)
            return True

    def put(self, message: Message) -> bool:
        """Queues a message once there is room for it: for background threads. False where the stream has ended."""
        with self._changed:
            self._changed.wait_for(lambda: not self.open or self._has_room())
            if not self.open:
                return False
            self._append(message)
            return True

    def close(self, timeout_s: float) -> bool:
        """Sends what is queued and ends the stream. False where that did not succeed in time."""
        with self._changed:
            if self.dropped and self.open:
                told = f"{self.dropped} messages were dropped: the daemon was slower than the program"
                _LOG.warning("%s", told)
                self._append(Note(told))
            self._closed = True
            self._changed.notify_all()
        if self._thread.ident is not None and threading.current_thread() is not self._thread:
            self._thread.join(timeout_s)
        return not self._thread.is_alive() and self.broken is None

    def _has_room(self) -> bool:
        return self._bytes < self._most_bytes and self._room > 0

    def _append(self, message: Message) -> None:
        self._sequence += 1
        self._bytes += _size(message)
        self._room -= _weight(message)
        self._queue.append(Stamped(self._sequence, ClockPair.now(), message))
        # Later small messages go with the first.
        if len(self._queue) == 1 or _size(message):
            self._changed.notify_all()
        if self._thread.ident is None:
            self._start()

    def _start(self) -> None:
        try:
            self._thread.start()
        except RuntimeError as error:
            # An interpreter that exits starts no more threads.
            self._ended = True
            self.broken = SmaragdineError(f"cannot send to the daemon: {error}")

    def _run(self) -> None:
        if self._client is None:
            return
        try:
            for answer in self._client.record(self._recording, self._messages()):
                self._acknowledged = answer.acknowledged
                if answer.problem:
                    self._tell(answer.problem)
                if answer.advice in ("pause", "resume"):
                    self.paused = answer.advice == "pause"
                if answer.advice == "stop":
                    break
        except SmaragdineError as error:
            self.broken = error
            if not self._closed:
                _LOG.warning("the training goes on without its energy being recorded further: %s", error)
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify_all()

    def _messages(self) -> Iterator[Stamped]:
        # Nothing keeps a message, which may be a profile, while the next one is waited for.
        return iter(self._next, None)

    def _next(self) -> Stamped | None:
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._closed or self._ended)
            if self._gather:
                self._changed.wait_for(lambda: self._bytes or not self.open, _GATHER_S)
            self._gather = len(self._queue) <= 1
            if self._ended or not self._queue:
                return None
            stamped = self._queue.popleft()
            self._bytes -= _size(stamped.message)
            self._room += _weight(stamped.message)
            self._changed.notify_all()
            return stamped

    def _tell(self, problem: str) -> None:
        self._problems += 1
        if self._problems <= _MOST_PROBLEMS:
            _LOG.warning("the daemon skipped something: %s", problem)


def _size(message: Message) -> int:
    return len(message.data) if isinstance(message, Profile) else 0


def _weight(message: Message) -> int:
    """As how many messages it counts."""
    return len(message.steps) if isinstance(message, StepBatch) else 1
