"""What a framework adds to a training: a tracer, which makes its operations known while a window is open."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

Job = Callable[[], object]
"""Done on a background thread; what it returns is of no interest."""


class RefusedError(Exception):
    """No window opens now. Its text tells the user why, and what becomes of the breakdown."""


class Closed(NamedTuple):
    """A window that has had its steps."""

    ship: Job
    """Sends what was seen, once the profiler is stopped."""
    stop: Job | None = None
    """Stops the profiler, on whichever thread, perhaps while further steps run; None where none runs."""
    here: bool = False
    """It has to be stopped on the thread that trains, which waits for it."""


class Tracer(Protocol):
    """Called between steps on the thread that trains, so as quickly as may be; what it raises ends the recording.

    It sends by the recording's channel, and what takes long it returns as jobs, which are done in order. Where it has
    an attribute `cut`, that tells whether the window closed before the step that ends now had ended; `events`, how
    many events the last window had (0: unknown); `dearer`, how many times a step costs in the next window;
    `on_compilation`, that is set to what it calls whenever something compiles, on any thread: it need not be asked at
    every step then.
    """

    def open(self) -> bool:
        """Opens a window before the step that is about to begin; whether that took the training's time.

        Raises `RefusedError` where it cannot now: it is asked again, later and later.
        """
        ...

    def settle(self) -> None:
        """The last step of a window is about to end: waits for what it left to run beside the program's own thread."""
        ...

    def close(self) -> Closed:
        """Closes the window: the last of its steps ended, or none runs for now."""
        ...

    def compilations(self, batch: int) -> int:
        """How much the step that ends now compiled; the smallest of its batches had `batch` examples, 0: unknown."""
        ...

    def first_step_ended(self) -> bool:
        """The first step has run, and no window is open: keeps what that shows; whether it took the training's time."""
        ...

    def describe(self) -> Sequence[Job]:
        """Tells what the program is made of: once, before the first window that follows a step, or at the end."""
        ...

    def conclude(self) -> Sequence[Job]:
        """Tells what was not known before: at the end of a training that had steps."""
        ...
