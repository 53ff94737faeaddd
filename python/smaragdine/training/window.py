"""When to trace: windows of whole steps, opened as often as their measured cost allows.

A profiler costs most when it stops. So steps are traced in windows, and with `every="auto"` the next window opens when
what all windows have cost the training (starting, slower steps, waiting for the stop, shipping), what telling of all
steps did, and what one more window will, as the last one, is below 1 % of what has elapsed of it.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable
from typing import Literal

from smaragdine.errors import UsageError

COST = 0.01
# The first step compiles, the second still warms caches up.
WARM_UP_STEPS = 2
# A window of "auto" length: long enough that stopping does not outweigh what was seen.
_WINDOW_S = 0.2
_FEWEST, _MOST = 2, 100
_RECENT = 15
# Windows that cost next to nothing trace no more than this part of the steps, once they have traced `_MOST`: further
# steps would make traces long, and their figures no better.
_MOST_TRACED = 0.1
# What is saved while Python stands still.
_MOST_EVENTS = 20_000
# Where another profiler runs, look again after so many steps, at first and at most.
_SOONEST_RETRY_STEPS, _LATEST_RETRY_STEPS = 2, 50

Auto = Literal["auto"]


class Windows:
    """Decides at step boundaries; `now` gives seconds. What ends in the background is told from any thread."""

    def __init__(
        self, window: int | Auto = "auto", every: int | Auto = "auto", *, now: Callable[[], float] = time.monotonic
    ) -> None:
        for name, value in (("window", window), ("every", every)):
            if value != "auto" and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
                raise UsageError(
                    f"{name}={value!r} is no number of steps", hint=f'choose {name}="auto" or a number from 1'
                )
        if isinstance(window, int) and isinstance(every, int) and window > every:
            raise UsageError(
                f"windows of {window} steps cannot open every {every} steps", hint="choose every >= window"
            )
        self._window = window
        self._every = every
        self._now = now
        self._began: float | None = None
        self._steps = 0
        # Who asks for every step is given the first too.
        self._next_step = 0 if every == 1 else WARM_UP_STEPS
        self._retry_steps = _SOONEST_RETRY_STEPS
        self._opened = False
        self._left = 0
        self._size = 0
        self._last_size = 0
        # Steps of a window of "auto" length, as its events allow.
        self._bound = _MOST
        self._traced: list[float] = []
        self._untraced: deque[float] = deque(maxlen=_RECENT)
        self._closed = 0
        # Steps that closed windows traced, and how many times what they cost the next window's will cost.
        self._seen_steps = 0
        self._dearer = 1.0
        self._stopping = self._disturbed = False
        # Of steps that ran while a profiler was being stopped.
        self._slowed: list[float] = []
        # Other threads tell without a lock: SIGTERM may finish a recording, which waits for them, while the training
        # thread is anywhere.
        self._shipped = 0
        self._costs: deque[float] = deque()
        self._spent_s = self._spent_before_s = 0.0
        self._told_s = 0.0

    @property
    def spent_s(self) -> float:
        """Seconds that all windows have cost up to now."""
        while self._costs:
            self._spent_s += self._costs.popleft()
        return self._spent_s

    @property
    def open(self) -> bool:
        """Whether a window is open: the step that begins now is traced."""
        return self._size > 0

    @property
    def idle(self) -> bool:
        """Whether several steps may be told of together: none is traced or disturbed, and windows go by their cost."""
        quiet = not (self.open or self._stopping or self._disturbed)
        return quiet and self._every == "auto" and self._steps > WARM_UP_STEPS

    def wants_open(self) -> bool:
        """Whether a window should open before the step that is about to begin."""
        if self.open or self._steps < self._next_step:
            return False
        if self._every != "auto":
            return True
        elapsed = self._now() - self._began if self._began is not None else 0.0
        if self._shipped < self._closed or self._seen_steps > max(_MOST, _MOST_TRACED * self._steps):
            return False
        return not self._opened or self.spent_s + self._told_s + self._next_s() < COST * elapsed

    def opened(self, seconds: float) -> None:
        """A profiler was started; it took so long."""
        self._spent_before_s = self.spent_s
        self.spend(seconds)
        self._opened = True
        self._retry_steps = _SOONEST_RETRY_STEPS
        self._size = self._left = self._window if isinstance(self._window, int) else self._auto_size()
        if isinstance(self._every, int):
            self._next_step = self._steps + self._every

    def refused(self) -> None:
        """No profiler could be started: try again later, each time after twice as many steps."""
        self._next_step = self._steps + self._retry_steps
        self._retry_steps = min(2 * self._retry_steps, _LATEST_RETRY_STEPS)

    def stepped(self, seconds: float, *, compiled: bool = False) -> None:
        """A step ended after so long; one that `compiled` a function says nothing of how long steps take."""
        self._steps += 1
        if self._began is None and self._steps >= WARM_UP_STEPS:
            self._began = self._now()
        disturbed, self._disturbed = self._disturbed, self._stopping
        if self.open:
            self._left -= 1
        if compiled:
            return
        if self.open:
            self._traced.append(seconds)
        elif disturbed:
            self._slowed.append(seconds)
        elif self._steps >= WARM_UP_STEPS:
            self._untraced.append(seconds)
        if not self._disturbed and self._slowed:
            self._spend_excess(self._slowed)

    def closes_next(self) -> bool:
        """Whether the step that runs is the last of its window."""
        return self.open and self._left <= 1

    def wants_close(self) -> bool:
        """Whether the open window has had its steps."""
        return self.open and self._left <= 0

    def closed(self) -> None:
        """The window has had its steps, or is cut short. What it shows is now to be shipped."""
        self._spend_excess(self._traced)
        self._last_size = self._size - max(self._left, 0)
        self._seen_steps += self._last_size
        self._size = self._left = 0
        self._closed += 1

    def saw(self, events: int) -> None:
        """The last window had so many events, 0 where unknown: windows of "auto" length keep to what is soon saved."""
        if events and self._last_size:
            self._bound = min(max(_MOST_EVENTS * self._last_size // events, 1), _MOST)

    def expect(self, dearer: float) -> None:
        """A step of the next window will cost so many times what it cost up to now.

        One that is dearer, if of "auto" length, is as short as may be, and opens once the budget has room for it.
        """
        self._dearer = dearer

    def stopping(self) -> None:
        """The profiler is being stopped while further steps run: they are not as long as usual."""
        self._stopping = self._disturbed = True

    def stopped(self, seconds: float, *, meanwhile: bool = False) -> None:
        """The profiler was stopped, which took so long.

        Where steps ran `meanwhile`, what they were slower by is what it cost: a free core's time is not the training's.
        """
        if not meanwhile:
            self.spend(seconds)
        self._stopping = False

    def shipped(self, seconds: float) -> None:
        """A window's profile is on its way; reading and sending it took so much CPU time."""
        self.spend(seconds)
        self._shipped += 1

    def spend(self, seconds: float) -> None:
        """Something that the breakdown into operations needs took so long."""
        self._costs.append(seconds)

    def told(self, seconds: float) -> None:
        """Telling of steps, traced or not, took the training so long."""
        self._told_s += seconds

    def _spend_excess(self, steps: list[float]) -> None:
        """These steps were slower than usual, which is what they cost."""
        if self._untraced:
            self.spend(max(0.0, sum(steps) - self._usual() * len(steps)))
        steps.clear()

    def _auto_size(self) -> int:
        if not self._untraced or self._dearer > 1:
            return _FEWEST
        step = max(self._usual(), 1e-6)
        return min(max(math.ceil(_WINDOW_S / step), _FEWEST), self._bound)

    def _next_s(self) -> float:
        """Seconds that the next window will cost."""
        if self._dearer <= 1:
            return self.spent_s - self._spent_before_s
        steps = self._window if isinstance(self._window, int) else _FEWEST
        return self._dearer * steps * self.spent_s / max(self._seen_steps, 1)

    def _usual(self) -> float:
        """Seconds of a step that nothing disturbs."""
        # Loaded here: a recording without steps never needs it, and it takes 3 ms.
        from statistics import median

        return median(self._untraced)
