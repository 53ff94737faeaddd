"""However the process ends, its recordings are finished: at exit, and on SIGTERM.

A process that is killed outright cannot; its private daemon then sees its lifeline close, finishes the trace in its
own state directory, and `smaragdine recover OUTPUT` fetches it from there.
"""

from __future__ import annotations

import atexit
import os
import signal
import threading
from types import FrameType
from typing import Protocol


class Unfinished(Protocol):
    def finish(self) -> object: ...


_UNFINISHED: dict[int, Unfinished] = {}
_PID = os.getpid()
_TERMINATED = False


def watch(recording: Unfinished) -> None:
    """Finishes `recording` when the process ends, unless it is forgotten before."""
    global _PID
    if os.getpid() != _PID:
        # A forked child inherits its parent's recordings, but they are not its own to finish.
        _UNFINISHED.clear()
        _PID = os.getpid()
    _UNFINISHED[id(recording)] = recording
    # A program that handles SIGTERM itself ends in its own way, through atexit.
    if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        try:
            signal.signal(signal.SIGTERM, on_sigterm)
        except ValueError:  # an interpreter within another's process
            pass


def forget(recording: Unfinished) -> None:
    _UNFINISHED.pop(id(recording), None)
    if _UNFINISHED:
        return
    if _TERMINATED:
        _terminate()
    on_main = threading.current_thread() is threading.main_thread()
    if on_main and signal.getsignal(signal.SIGTERM) is on_sigterm:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _finish_all() -> None:
    if os.getpid() == _PID:
        for recording in list(_UNFINISHED.values()):
            recording.finish()


def on_sigterm(number: int, frame: FrameType | None) -> None:
    """The handler of SIGTERM: finishes what records, and ends the process as the signal does."""
    global _TERMINATED
    if os.getpid() == _PID:
        _TERMINATED = True
        _finish_all()
        if _UNFINISHED:
            # The signal interrupted a recording that is being finished: its `forget` comes next.
            return
    _terminate()


def _terminate() -> None:
    """Ends the process as an unhandled SIGTERM does, so that its parent sees the signal."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTERM)


atexit.register(_finish_all)
