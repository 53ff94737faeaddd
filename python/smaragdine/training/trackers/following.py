"""Which trackers are active while a recording runs, and what becomes known to them at its end."""

from __future__ import annotations

import logging
import os
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from smaragdine.accounts.display import PAGE, display
from smaragdine.errors import SmaragdineError
from smaragdine.files.writing import written
from smaragdine.recording.recorder import Recorder
from smaragdine.training.spending import Row
from smaragdine.training.trackers.mlflow_run import MLflowRun
from smaragdine.training.trackers.tracker import Result, Tracker
from smaragdine.training.trackers.wandb_run import WandbRun

if TYPE_CHECKING:
    from smaragdine.trace.trace import Trace

_LOG = logging.getLogger("smaragdine")
# `0`, `off`, `no` or `false`: no tracker is told anything.
ENVIRONMENT = "SMARAGDINE_TRACKERS"
_OFF = {"0", "off", "no", "false"}
# The package of each, as a program imports it.
_KINDS: Mapping[str, type[Tracker]] = {"mlflow": MLflowRun, "wandb": WandbRun}
# A report of so many operations takes seconds, and one so large nobody opens in a tracker.
_MOST_OPERATIONS = 20_000
_MOST_BYTES = 16 << 20


class Following:
    """The runs that were active when a recording began, or are when it ends, by package."""

    def __init__(self, rows: Callable[[], list[Row]]) -> None:
        self._rows = rows
        self._runs = _active()

    def end(self, path: Path) -> None:
        """Tells each what the trace holds; what fails there is told once, and never raised."""
        runs = self._runs | _active()
        if not runs:
            return
        # Readers of traces are loaded only where somebody asks.
        from smaragdine.trace.trace import Trace
        from smaragdine.training.trackers.totals import totals

        try:
            trace = Trace.open(path)
            metrics, tags = totals(trace)
        except SmaragdineError as error:
            _LOG.warning("the trace %s cannot be told to %s: %s", path, " and ".join(runs), error.message)
            return
        with tempfile.TemporaryDirectory(prefix="smaragdine-") as directory:
            report = _report(trace, Path(directory))
            result = Result(path, metrics, tags, self._rows(), report)
            for name, run in runs.items():
                try:
                    run.tell(result)
                except Exception as error:  # noqa: BLE001  another's package and server may fail in any way
                    _LOG.warning("%s was not told of %s: %s: %s", name, path, type(error).__name__, error)


def follow(recorder: Recorder, rows: Callable[[], list[Row]], *, wanted: bool = True) -> None:
    """Whatever tracker has a run active by the recording's end is told of it, unless that is not `wanted`."""
    if wanted and recorder.state == "recording" and os.environ.get(ENVIRONMENT, "").lower() not in _OFF:
        recorder.after_finish(Following(rows).end)


def _active() -> dict[str, Tracker]:
    runs = {}
    for name, kind in _KINDS.items():
        module = sys.modules.get(name)
        try:
            run = kind.active(module) if module is not None else None
        except Exception as error:  # noqa: BLE001  a package half imported, or of another version
            _LOG.debug("%s: %r", name, error)
            continue
        if run is not None:
            runs[name] = run
    return runs


def _report(trace: Trace, directory: Path) -> Path | None:
    """None where it cannot be written, or is too large."""
    try:
        if len(trace.ops()) > _MOST_OPERATIONS:
            return None
        page = display(trace, PAGE)
    except SmaragdineError as error:
        _LOG.debug("%s", error)
        return None
    data = str(page).encode() if page is not None else b""
    if not 0 < len(data) <= _MOST_BYTES:
        return None
    path = directory / "report.html"
    with written(path) as out:
        out.write(data)
    return path
