"""Reading what is a file of bytes: a pipe or a device in its place would keep its reader for ever."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from smaragdine.errors import UsageError

# Of tens of thousands of operations and devices, `trace.json` has a few.
_LARGEST = 256 << 20


def read(path: Path) -> bytes:
    """All of a file. Raises OSError, also where it is something else or larger than any of ours is."""
    with open(path, "rb", opener=_at_once) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "it is no file of bytes", str(path))
        content = file.read(_LARGEST)
    if len(content) == _LARGEST:
        raise OSError(errno.EFBIG, f"it is larger than {_LARGEST >> 20} MiB", str(path))
    return content


def is_file(path: Path) -> bool:
    """Whether it is a file of bytes itself, and no link to one."""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False


def text(path: Path, what: str) -> str:
    """All of a text, as spreadsheets write it too; `what` it is to its user. Raises UsageError."""
    try:
        return read(path).decode("utf-8-sig")
    except OSError as error:
        raise UsageError(f"cannot read {what}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UsageError(f"{what} is no text in UTF-8") from None


def _at_once(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY)
