"""A framework of the tests' own, whose tracer goes through the life that TensorFlow's does."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

from smaragdine.daemon.messages import Format, Model
from smaragdine.recording.channel import Channel
from smaragdine.training.tracer import Closed, Job, RefusedError


class Abacus:
    """A framework: what it counts while a window is open is its profile."""

    def __init__(self, channel: Channel, *, compiles: Sequence[int] = (1,), refuses: int = 0) -> None:
        self.channel = channel
        self.compiles = list(compiles)
        self.refuses = refuses
        self.calls: list[str] = []
        self.stopped_on: list[str] = []
        self.beads: list[int] | None = None
        self.takes_s = 0.0

    def count(self, bead: int) -> None:
        if self.beads is not None:
            self.beads.append(bead)

    def open(self) -> bool:
        self.calls.append("open")
        if self.refuses:
            self.refuses -= 1
            raise RefusedError("another abacus is in use: energy is measured, but not broken down")
        self.beads = []
        return True

    def settle(self) -> None:
        self.calls.append("settle")

    def close(self) -> Closed:
        self.calls.append("close")
        beads, self.beads = self.beads or [], None
        return Closed(ship=lambda: self.channel.profile(Format.XSPACE, bytes(beads)), stop=self._stop)

    def _stop(self) -> None:
        time.sleep(self.takes_s)
        self.stopped_on.append(threading.current_thread().name)

    def compilations(self, batch: int) -> int:
        return self.compiles.pop(0) if self.compiles else 0

    def first_step_ended(self) -> bool:
        self.calls.append("first step")
        return True

    def describe(self) -> Sequence[Job]:
        self.calls.append("describe")
        return (lambda: self.channel.model(Model("abacus", ("rod",))),)

    def conclude(self) -> Sequence[Job]:
        return (lambda: self.channel.note("every bead was counted"),)
