"""A trace, or a job, that lies wherever a user says, as one that lies on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from smaragdine.files.url import is_url

if TYPE_CHECKING:
    from smaragdine.trace.kept import Kept


def here(path: str | Path) -> tuple[Path, tuple[Kept, ...]]:
    """The directory that is named, or that what lies at a URL is fetched into. Raises SmaragdineError."""
    if not is_url(path):
        return Path(path), ()
    # Nothing of this is needed for what lies here.
    from smaragdine.files.remote import fetch
    from smaragdine.trace.kept import Kept

    kept = Kept("smaragdine-fetched-")
    fetch(str(path), kept.path)
    return kept.path, (kept,)
