"""What was made, or fetched, for whoever reads it."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from pathlib import Path


class Kept:
    """A temporary directory that is there for as long as somebody reads its tables."""

    def __init__(self, prefix: str) -> None:
        self.path = Path(tempfile.mkdtemp(prefix=prefix))
        weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)
