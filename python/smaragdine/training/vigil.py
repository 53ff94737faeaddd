"""Notices a training that ended without saying so: frameworks call no hook when a step raises or Ctrl-C is pressed."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Collection
from types import FrameType

_PERIOD_S = 0.25


class Call:
    """A function call that is under way on this thread."""

    def __init__(self, frame: FrameType | None) -> None:
        self._frame = frame
        self._thread = threading.get_ident()

    @classmethod
    def around(cls, names: Collection[str]) -> Call | None:
        """The innermost call of a function of one of these names; None where there is none."""
        frame: FrameType | None = sys._getframe(1)
        while frame is not None and frame.f_code.co_name not in names:
            frame = frame.f_back
        return cls(frame) if frame is not None else None

    def local(self, name: str) -> object | None:
        """A local variable of that call; None where it has none of this name."""
        return self._frame.f_locals.get(name) if self._frame is not None else None

    def under_way(self) -> bool:
        frame = sys._current_frames().get(self._thread)
        while frame is not None:
            if frame is self._frame:
                return True
            frame = frame.f_back
        return False

    def let_go(self) -> None:
        """Frees the call's variables, which a frame holds."""
        self._frame = None


class Vigil:
    """Calls `lost` once, from a thread of its own, when `under_way` says no twice in a row, unless ended before."""

    def __init__(self, under_way: Callable[[], bool], lost: Callable[[], object], period_s: float = _PERIOD_S) -> None:
        self._under_way = under_way
        self._lost = lost
        self._period_s = period_s
        self._ended = threading.Event()
        threading.Thread(target=self._run, name="smaragdine-vigil", daemon=True).start()

    def end(self) -> None:
        self._ended.set()

    def _run(self) -> None:
        absent = 0
        while not self._ended.wait(self._period_s):
            absent = 0 if self._under_way() else absent + 1
            if absent == 2:
                self._lost()
                return
