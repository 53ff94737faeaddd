"""What a framework's libraries print when they are loaded, which no setting of theirs keeps from the terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from smaragdine.files.writing import replaced


class Log:
    """Takes what is printed on standard error, by libraries too, while it is `open`."""

    def __init__(self) -> None:
        self.text = b""

    @contextmanager
    def open(self) -> Iterator[None]:
        """Nothing reaches standard error, unless what is done meanwhile fails: then all of it does."""
        sys.stderr.flush()
        terminal, memory = os.dup(2), os.memfd_create("log")
        try:
            os.dup2(memory, 2)
            try:
                yield
            except BaseException:
                os.dup2(terminal, 2)
                os.write(2, _said(memory))
                raise
            sys.stderr.flush()
            self.text += _said(memory)
        finally:
            os.dup2(terminal, 2)
            os.close(terminal)
            os.close(memory)

    def keep(self, path: Path) -> None:
        """Writes it into a file, where anything was printed."""
        if self.text:
            with replaced(path) as file:
                file.write(self.text)


def _said(file: int) -> bytes:
    return os.pread(file, os.fstat(file).st_size, 0)
