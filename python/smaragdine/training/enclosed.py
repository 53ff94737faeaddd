"""A step that the program's own code encloses, and the calm in which a step costs next to nothing."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextlib import suppress
from time import monotonic_ns
from types import TracebackType
from typing import TYPE_CHECKING, Protocol

from smaragdine.training.steps import StepMark, Steps

if TYPE_CHECKING:
    from smaragdine.recording.brake import Brake

# A step of some milliseconds leaves cold caches, in which each call takes microseconds and telling of a step a hundred:
# those of so long are told together.
_LONGEST_NS = 500_000_000


class Calm:
    """When nothing is to be done at a step's edges but to note them, and the steps that ended meanwhile."""

    __slots__ = ("brake", "ended", "polled", "steps", "until_ns", "within")

    def __init__(self, steps: Steps, brake: Brake | None) -> None:
        self.steps = steps
        self.brake = brake
        # By CLOCK_MONOTONIC; 0: there is something to be done.
        self.until_ns = 0
        # Whether the program's own code encloses a step now.
        self.within = False
        # Asked at each step's end how much that compiled, its smallest batch given; None: whoever knows ends the calm.
        self.polled: Callable[[int], int] | None = None
        self.ended: deque[StepMark] = deque()

    def holds(self, now_ns: int) -> bool:
        """Whether a step may begin now, and nothing else be done."""
        return now_ns < self.until_ns and (self.brake is None or not self.brake.pulled)

    def renew(self) -> None:
        """It holds for a while."""
        self.until_ns = monotonic_ns() + _LONGEST_NS

    def end(self) -> None:
        """There is something to be done at the next edge of a step."""
        self.until_ns = 0

    def taken(self) -> list[StepMark]:
        """The steps that ended meanwhile, each once, whichever threads ask."""
        taken = []
        with suppress(IndexError):
            while True:
                taken.append(self.ended.popleft())
        return taken


class Course(Protocol):
    """What a step's edges are told where there is something to be done."""

    def enter(self, step: EnclosedStep) -> None:
        """The step begins."""
        ...

    def leave(self, step: EnclosedStep, *, broke_off: bool) -> None:
        """The step ends."""
        ...

    def catch_up(self, edge_ns: int) -> None:
        """Takes the steps that ended meanwhile; the last of them did then."""
        ...

    def broke(self, error: Exception) -> None:
        """What belongs to a step's end raised."""
        ...


class EnclosedStep(StepMark):
    """Around the code of one step, and its mark. Code that raises is no step."""

    __slots__ = ("_calm", "_course", "_quick", "in_window", "outermost", "sent", "wanted")

    def __init__(self, course: Course, calm: Calm, number: int, epoch: int, samples: int, wanted: bool | None) -> None:
        """`wanted`: whether it is traced, as the program says; None: as is seen."""
        # As StepMark's own, whose call would take as long as all of this.
        self.step, self.epoch, self.samples, self.batch = number, epoch, samples, 0
        self.traced, self.metrics, self.compilations = False, {}, 0
        self.end_ns = self.logged_ns = None
        self.wanted = wanted
        self._course = course
        self._calm = calm

    def __enter__(self) -> StepMark:
        calm = self._calm
        self.start_ns = now_ns = monotonic_ns()
        brake = calm.brake
        # As Calm.holds and Steps.number say: where caches are cold, their calls take as long as all of this.
        if now_ns < calm.until_ns and not calm.within and self.wanted is None and (brake is None or not brake.pulled):
            self._quick = calm.within = True
            steps = calm.steps
            if self.step < 0:
                self.step = steps.next
            steps.next = self.step + 1
        else:
            self._quick = False
            self._course.enter(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        calm = self._calm
        # A step may have become more than that: its program sent events, compiled or logged something.
        if not self._quick or kind is not None or not calm.until_ns or self.metrics:
            if self._quick:
                self.outermost, self.in_window, self.sent = True, False, 0
            self._course.leave(self, broke_off=kind is not None)
            return
        self.end_ns = self.logged_ns = end_ns = monotonic_ns()
        calm.within = False
        calm.ended.append(self)
        if calm.polled is not None:
            try:
                self.compilations = calm.polled(0)
            except Exception as error:  # noqa: BLE001  what a tracer raises ends the recording, never the training
                self._course.broke(error)
                return
        if end_ns >= calm.until_ns:
            self._course.catch_up(end_ns)
