"""Messages on their way to a daemon that stalls."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from smaragdine.daemon.messages import Note, Stamped, Step, StepBatch
from smaragdine.recording.sender import Sender


class Stalled:
    """A client that takes its first message and then nothing until it is let go."""

    def __init__(self) -> None:
        self.first, self.goes_on = threading.Event(), threading.Event()
        self.got: list[Stamped] = []

    def record(self, recording: str, messages: Iterator[Stamped]) -> Iterator[Any]:
        for message in messages:
            self.got.append(message)
            self.first.set()
            self.goes_on.wait(20)
            yield SimpleNamespace(acknowledged=message.sequence, problem="", advice="")


@pytest.mark.parametrize("metrics", [{}, {"tokens": 4.0}])
def test_steps_that_end_while_the_daemon_stalls_are_told_after_they_ended(
    monkeypatch: pytest.MonkeyPatch, metrics: dict[str, float]
) -> None:
    client: Any = Stalled()
    sender = Sender(client, "one")
    sender.offer(Note("begins"))
    assert client.first.wait(20)
    ahead_ns = 0
    monotonic_ns = time.monotonic_ns
    monkeypatch.setattr(time, "monotonic_ns", lambda: monotonic_ns() + ahead_ns)
    for number in range(60):
        ended_ns = time.monotonic_ns()
        sender.mark([Step(step=number, start_ns=ended_ns - 1000, end_ns=ended_ns, metrics=metrics)])
        ahead_ns += 100_000_000
    client.goes_on.set()
    assert sender.close(20)
    batches = [stamped for stamped in client.got if isinstance(stamped.message, StepBatch)]
    assert sum(len(batch.message.steps) for batch in batches) == 60
    for batch in batches:
        # The daemon takes nothing that ends a second after it was told.
        assert max(step.end_ns for step in batch.message.steps) <= batch.clock.monotonic_ns + 500_000_000
    assert [stamped.sequence for stamped in client.got] == sorted({stamped.sequence for stamped in client.got})


def test_a_full_queue_drops_whole_batches_counts_their_steps_and_has_all_its_room_again() -> None:
    client: Any = Stalled()
    sender = Sender(client, "one", most_messages=100)
    sender.offer(Note("begins"))
    assert client.first.wait(20)

    def mark(first: int) -> bool:
        return sender.mark([Step(step=first + n, start_ns=0, end_ns=1) for n in range(40)])

    assert [mark(0), mark(40), mark(80)] == [True, True, False]
    assert sender.dropped == 40
    client.goes_on.set()
    assert sender.close(20)
    told = [step.step for one in client.got if isinstance(one.message, StepBatch) for step in one.message.steps]
    assert told == list(range(80))
    assert sender._room == 100
