"""The narrow way from a training to its recording: what tracers and steps may reach of it."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

from smaragdine.daemon.messages import (
    Clock,
    Event,
    Events,
    Format,
    Labels,
    Model,
    Note,
    Profile,
    ProfilingSpan,
    Span,
    Step,
)
from smaragdine.recording.sender import Sender

_PIECE = 1 << 20


class Channel:
    """Takes what a program tells while it is recorded. Nothing here raises or waits, but for `profile`, which waits."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender
        # How often `events` was called.
        self.events_told = 0
        # Of spans: those that the program names, and ours.
        self.numbers = itertools.count()

    @property
    def paused(self) -> bool:
        """The daemon asks to send nothing that can wait: no further profiles for now."""
        return self._sender.paused or not self._sender.open

    def mark(self, steps: list[Step]) -> None:
        """Sends steps that ended."""
        self._sender.mark(steps)

    def events(self, events: Sequence[Event], clock: Clock = "realtime") -> None:
        """Sends events of one clock: `time.time_ns()` is `realtime`, `time.monotonic_ns()` `monotonic`."""
        self.events_told += 1
        self._sender.offer(Events(tuple(events), clock))

    def model(self, model: Model) -> None:
        """Names the model's layers, so that operations are accounted to them."""
        self._sender.offer(model)

    def profiling(self, start_ns: int, end_ns: int) -> None:
        """Marks a stretch, in `time.monotonic_ns()`, in which a profiler was started or stopped."""
        self._sender.offer(ProfilingSpan(start_ns, end_ns))

    def span(self, span: Span) -> None:
        """Sends a stretch that the program named."""
        self._sender.offer(span)

    def note(self, text: str) -> None:
        """Keeps a remark with the trace."""
        self._sender.offer(Note(text))

    def label(self, labels: Mapping[str, str]) -> None:
        """Labels the trace with what is known only now."""
        self._sender.offer(Labels(dict(labels)))

    def profile(self, format: Format, data: bytes) -> bool:
        """Sends a profiler's output, piece by piece, waiting for room: call it from a background thread.

        False where the recording has ended. Profiles of several threads must not be sent at once.
        """
        view = memoryview(data)
        starts = range(0, len(data), _PIECE)
        return all(
            self._sender.put(Profile(format, bytes(view[start : start + _PIECE]), last=start == starts[-1]))
            for start in starts
        )
