"""What a framework's libraries print when they are loaded, which no setting of theirs keeps from the terminal."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Log:
    """Takes what is printed on standard error, by libraries too, while it is `open`."""

    def __init__(self) -> None:
        self.text = b""

    @contextmanager
    def open(self) -> Iterator[None]:
        """Nothing reaches standard error, unless what is done meanwhile fails: then all of it does."""
        sys.stderr.flush()
        terminal = os.dup(2)
        try:
            with tempfile.TemporaryFile() as file:
                os.dup2(file.fileno(), 2)
                try:
                    yield
                except BaseException:
                    os.dup2(terminal, 2)
                    os.write(2, _said(file.fileno()))
                    raise
                sys.stderr.flush()
                self.text += _said(file.fileno())
        finally:
            os.dup2(terminal, 2)
            os.close(terminal)

    def keep(self, path: Path) -> None:
        """Writes it into a file, where anything was printed."""
        if self.text:
            path.write_bytes(self.text)


def _said(file: int) -> bytes:
    return os.pread(file, os.fstat(file).st_size, 0)
