"""A Unix socket as gRPC addresses it, whatever its path is called."""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import quote

# What means itself wherever it stands in an address. Of the rest, gRPC decodes some (%41), ends at some (# ?), splits
# at some even where they are encoded (a comma), and takes none that is not UTF-8.
_PLAIN = re.compile(r"[A-Za-z0-9/._+~-]+")


class Address:
    """`target` is what gRPC connects to, until `close`."""

    def __init__(self, socket: Path) -> None:
        self._descriptor: int | None = None
        if not _PLAIN.fullmatch(str(socket)):
            self._descriptor = _opened(socket)
        if self._descriptor is not None:
            self.target = f"unix:/proc/self/fd/{self._descriptor}"
        else:
            self.target = f"unix:{quote(os.fsencode(socket), safe='/+~')}"

    def close(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)


def _opened(socket: Path) -> int | None:
    """A descriptor that stands for the socket without connecting to it; None where it cannot be had."""
    try:
        return os.open(socket, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return None
