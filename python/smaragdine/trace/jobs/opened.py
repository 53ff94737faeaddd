"""A job's folder as a trace directory: what `smaragdine merge` left in it, or merged for whoever opens it."""

from __future__ import annotations

import logging
import shutil
import tempfile
import weakref
from pathlib import Path
from typing import Any

from smaragdine.errors import TraceError
from smaragdine.trace import written
from smaragdine.trace.jobs.fields import fields, seals
from smaragdine.trace.jobs.merging import merge
from smaragdine.trace.jobs.part import Found, is_job, within
from smaragdine.trace.metadata import Metadata

_LOG = logging.getLogger("smaragdine")


class Kept:
    """A temporary directory that is there for as long as somebody reads its tables."""

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="smaragdine-job-"))
        weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)


def write(found: Found, output: Path) -> tuple[str, ...]:
    """Writes the parts, as one, into `output`; returns what is to be told of them. Raises SmaragdineError."""
    merged = merge(found)
    written.write(output, merged.tables, fields(merged))
    return merged.told


def tables_of(folder: Path) -> tuple[Path, Kept | None]:
    """Where the tables of a trace, or of a job, lie; the second keeps those that were made of a job's parts.

    What is missing of a job is told each time that it is opened. Raises SmaragdineError.
    """
    if not is_job(folder):
        return folder, None
    found = within(folder)
    before = _merged(folder)
    if before is not None and before.get("parts") == seals(found.parts):
        told = before.get("told")
        for sentence in told if isinstance(told, list) else []:
            _LOG.warning("%s: %s", folder, sentence)
        return folder, None
    if before is not None:
        _LOG.warning("%s: its parts changed since they were merged; `smaragdine merge %s` renews that", folder, folder)
    kept = Kept()
    for sentence in write(found, kept.path):
        _LOG.warning("%s: %s", folder, sentence)
    return kept.path, kept


def _merged(folder: Path) -> dict[str, Any] | None:
    """What a job's own `trace.json` says of its parts; None where it has none."""
    if not (folder / "trace.json").exists():
        return None
    options = Metadata.read(folder).raw.get("options")
    merged = options.get("merged") if isinstance(options, dict) else None
    if not isinstance(merged, dict):
        raise TraceError(
            f"{folder} holds a trace, and traces of ranks beside it", "move one of them, or name the ranks' alone"
        )
    return merged
