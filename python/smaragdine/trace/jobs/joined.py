"""A job's folder as a trace directory: what `smaragdine merge` left in it, or merged for whoever opens it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from smaragdine.errors import TraceError
from smaragdine.trace import written
from smaragdine.trace.jobs.fields import fields, seals
from smaragdine.trace.jobs.merging import merge
from smaragdine.trace.jobs.opened import Opened
from smaragdine.trace.jobs.part import Found, within
from smaragdine.trace.kept import Kept
from smaragdine.trace.metadata import Metadata

_LOG = logging.getLogger("smaragdine")
# A job of thousands of ranks may have thousands of the same thing to tell.
_MOST_TOLD = 20


def write(found: Found, output: Path) -> tuple[str, ...]:
    """Writes the parts, as one, into `output`; returns what is to be told of them. Raises SmaragdineError."""
    merged = merge(found)
    written.write(output, merged.tables, fields(merged))
    return merged.told


def joined(folder: Path) -> Opened:
    """What is missing of a job is told each time that it is opened. Raises SmaragdineError."""
    found = within(folder)
    before = _merged(folder)
    if before is not None and before.get("parts") == seals(found.parts):
        told = before.get("told")
        _tell(folder, told if isinstance(told, list) else [])
        return Opened(folder, found.parts)
    if before is not None:
        _LOG.warning("%s: its parts changed since they were merged; `smaragdine merge %s` renews that", folder, folder)
    kept = Kept("smaragdine-job-")
    _tell(folder, write(found, kept.path))
    return Opened(kept.path, found.parts, (kept,))


def _tell(folder: Path, told: Sequence[object]) -> None:
    for sentence in told[:_MOST_TOLD]:
        _LOG.warning("%s: %s", folder, sentence)
    if len(told) > _MOST_TOLD:
        _LOG.warning("%s: and %d more of the like; the job's `metadata.warnings` has all", folder,
                     len(told) - _MOST_TOLD)  # fmt: skip


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
