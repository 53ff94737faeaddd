"""The report: one self-contained HTML file that tells where a training spent its energy."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from smaragdine.accounts.display import PAGE, shows
from smaragdine.errors import SmaragdineError
from smaragdine.files.writing import replaced, written
from smaragdine.report.content import Content
from smaragdine.report.page import render
from smaragdine.trace.runs import Runs
from smaragdine.trace.trace import Trace

__all__ = ["Content", "render", "write"]


@shows(PAGE, Trace)
def _page(trace: Trace) -> str:
    return render(Content.of(Runs((trace,))))


def write(traces: Runs | Sequence[Trace], file: str | Path | None = None, *, policy: str = "equal") -> Path:
    """Writes the report of one trace, or of several of the same thing, and returns its path.

    Without `file` it is report.html in the first trace, whatever is there by that name. Raises SmaragdineError with
    exit code 3 where a trace has no readings, and where the file cannot be written.
    """
    runs = traces if isinstance(traces, Runs) else Runs(tuple(traces))
    with _without_collections():
        page = render(Content.of(runs, policy=policy))
    path = Path(file) if file is not None else runs.traces[0].path / "report.html"
    try:
        with written(path) if file is not None else replaced(path) as out:
            out.write(page.encode("utf-8"))
    except OSError as error:
        raise SmaragdineError(f"cannot write {path}: {error.strerror}", "name another file with -o") from None
    return path


@contextmanager
def _without_collections() -> Iterator[None]:
    """A sixth of the time would go into looking for circles among a million small objects that all live."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()
