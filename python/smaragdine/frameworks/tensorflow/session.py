"""The operations of a graph-mode session: RunMetadata of traced steps, and the graphs that the session runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from smaragdine.daemon.messages import Format
from smaragdine.frameworks.tensorflow.executed import of_session
from smaragdine.recording.channel import Channel
from smaragdine.training.tracer import Closed, Job


class SessionTracer:
    """A `Tracer` that is handed what the session's steps left, as its options ask for it."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._metadata: list[Any] = []
        self._steps = 0

    @property
    def shows_graphs(self) -> bool:
        """Whether the step that runs is to show the graphs that it runs: the first has its graph made, the second
        shows it, before any is traced."""
        return self._steps == 1

    def ran(self, metadata: Any) -> None:
        """A step of an open window left this."""
        self._metadata.append(metadata)

    def open(self) -> bool:
        return False

    def settle(self) -> None:
        """A step returns when its work is done."""

    def close(self) -> Closed:
        """Without a profiler to stop, a window costs its slower steps and what ships it."""
        metadata, self._metadata = self._metadata, []
        return Closed(ship=lambda: self._ship(metadata))

    def compilations(self, batch: int) -> int:
        self._steps += 1
        return int(self._steps == 1)

    def first_step_ended(self) -> bool:
        return False

    def describe(self) -> Sequence[Job]:
        return ()

    def conclude(self) -> Sequence[Job]:
        return ()

    def ship_graphs(self, metadata: Any) -> None:
        """The shapes in them are known from what traced steps made."""
        if graphs := of_session(metadata):
            self._channel.profile(Format.RUN_METADATA, graphs)

    def _ship(self, metadata: list[Any]) -> None:
        for one in metadata:
            one.ClearField("partition_graphs")
            self._channel.profile(Format.RUN_METADATA, one.SerializeToString())
