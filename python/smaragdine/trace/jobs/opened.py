"""Where a trace lies once it is opened."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from smaragdine.trace.jobs.part import Part
    from smaragdine.trace.kept import Kept


class Opened(NamedTuple):
    """Where the tables of a trace, or of a job, lie; a job's parts; and what keeps tables that were made of them, or
    fetched."""

    tables: Path
    parts: tuple[Part, ...] = ()
    kept: tuple[Kept, ...] = ()
