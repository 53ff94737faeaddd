"""Windows that a `Meter` or `Turns` follows."""

from __future__ import annotations

from smaragdine.training.window import Windows

from .meter import Meter
from .turns import Turns


def watch_windows(windows: Windows, watch: Meter | Turns) -> None:
    """Lets windows open by their cost in training time that was on, or tell when a profiler was stopped."""
    if isinstance(watch, Turns):
        windows._now = watch.now
        return
    stopped = windows.stopped

    def told(seconds: float, *, meanwhile: bool = False) -> None:
        watch.stopped(seconds)
        stopped(seconds, meanwhile=meanwhile)

    windows.stopped = told  # type: ignore[method-assign]
