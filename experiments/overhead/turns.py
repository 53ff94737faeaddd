"""A callback or hook switched on and off from block to block, to be compared with itself."""

from __future__ import annotations

import os
import signal
import time

from .meter import WARM_UP, Work, daemons


class Turns:
    """Calls the work of a callback or hook in the blocks that are on; its daemon is stopped in those that are off."""

    def __init__(self, order: list[bool], steps: int) -> None:
        self.block_s: list[float] = []
        self.over = False
        self._order = order
        self.steps = steps
        self._on_for = [True] * WARM_UP + [on for on in order for _ in range(steps)]
        self._step = -1
        self._began_s = 0.0
        self._off_s = 0.0

    def now(self) -> float:
        """Seconds of training in which the work was on: time in which it was off must not pay for windows."""
        return time.monotonic() - self._off_s

    def start(self, work: Work) -> None:
        work()

    def before(self, work: Work, pause: Work) -> None:
        self._step += 1
        block, step = divmod(self._step - WARM_UP, self.steps)
        if block >= 0 and step == 0:
            self._turn(block, pause)
        if self._on(self._step):
            work()

    def after(self, work: Work, step: int, *, waited_for: bool) -> None:
        # Keras calls this from another thread and later: the block is the step's, not the present one.
        if self._on(step):
            work()

    def end(self, work: Work) -> None:
        work()

    def _on(self, step: int) -> bool:
        return step >= len(self._on_for) or self._on_for[step]

    def _turn(self, block: int, pause: Work) -> None:
        """The last block ends, with the window that it opened; the next one begins."""
        was_on = self._on(self._step - 1)
        if was_on:
            pause()
        if block:
            self.block_s.append(time.perf_counter() - self._began_s)
            if not was_on:
                self._off_s += self.block_s[-1]
        if was_on != (on := self._on(self._step)):
            for daemon in daemons():
                os.kill(daemon, signal.SIGCONT if on else signal.SIGSTOP)
        self.over = block >= len(self._order)
        self._began_s = time.perf_counter()


def awaken() -> None:
    """A training that failed in a block that is off left its daemon stopped."""
    for daemon in daemons():
        os.kill(daemon, signal.SIGCONT)
