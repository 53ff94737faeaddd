"""The one way in which files are written: whole or not at all, and through no link that somebody planted.

A new random name is opened exclusively, in a directory that is held by descriptor; once all of it is on the disk, it is
renamed to the name that was asked for. Whatever was there, a link as well, is replaced, never followed. Nothing else in
the package opens a file for writing.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
import stat
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import IO

_DIRECTORY = os.O_DIRECTORY | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
# Links that the kernel keeps, to what this process has open: /dev/stdout, and what `>(…)` gives in a shell.
_OPEN = re.compile(r"/(?:dev/(?:fd/(\d+)|(stdout)|(stderr))|proc/self/fd/(\d+))")


class Folder:
    """A directory that is written into, held by descriptor until `close`."""

    def __init__(self, path: Path, descriptor: int, *, fleeting: bool = False) -> None:
        self.path = path
        self.descriptor = descriptor
        self._fleeting = fleeting

    @classmethod
    def at(cls, path: Path, *, fleeting: bool = False) -> Folder:
        """A directory that the user named; made, with its parents, if absent. Raises `OSError`.

        `fleeting`: what is written is read at once and removed, and need not survive a power failure.
        """
        path.mkdir(parents=True, exist_ok=True)
        return cls(path, _opened(path), fleeting=fleeting)

    def inside(self, name: str) -> Folder:
        """A directory in this one, made if absent; a link in its place is replaced. Raises `OSError`."""
        try:
            if stat.S_ISLNK(os.stat(name, dir_fd=self.descriptor, follow_symlinks=False).st_mode):
                os.unlink(name, dir_fd=self.descriptor)
        except FileNotFoundError:
            pass
        try:
            os.mkdir(name, dir_fd=self.descriptor)
        except FileExistsError:
            pass
        return Folder(self.path / name, _opened(name, os.O_NOFOLLOW, self.descriptor), fleeting=self._fleeting)

    @contextmanager
    def below(self, *steps: str) -> Iterator[Folder]:
        """A directory some steps down, as `inside` makes each; this one for no step. Raises `OSError`."""
        with ExitStack() as stack:
            folder = self
            for step in steps:
                folder = stack.enter_context(folder.inside(step))
            yield folder

    @contextmanager
    def new(self, name: str) -> Iterator[IO[bytes]]:
        """A file that is at `name` once the block has ended; where that raises, all is as it was. Raises `OSError`."""
        partial = f".{secrets.token_hex(16)}.partial"
        descriptor = os.open(partial, _NEW, 0o666, dir_fd=self.descriptor)
        try:
            with os.fdopen(descriptor, "wb") as file:
                self._keep_private(name, descriptor)
                yield file
                file.flush()
                # Renaming before the content is on the disk could leave an empty file behind a power failure.
                if not self._fleeting:
                    os.fsync(descriptor)
            os.rename(partial, name, src_dir_fd=self.descriptor, dst_dir_fd=self.descriptor)
        except BaseException:
            try:
                os.unlink(partial, dir_fd=self.descriptor)
            except OSError:  # what is reported is why writing failed
                pass
            raise
        self._sync()

    def write(self, name: str, data: bytes) -> None:
        """Raises `OSError`."""
        with self.new(name) as file:
            file.write(data)

    def copy(self, source: IO[bytes], name: str) -> None:
        """Raises `OSError`."""
        with self.new(name) as file:
            shutil.copyfileobj(source, file)

    def claim(self, name: str) -> IO[bytes]:
        """A file of that name which was not there: of several that claim it one gets it. Raises `FileExistsError`."""
        return os.fdopen(os.open(name, _NEW, 0o666, dir_fd=self.descriptor), "wb", buffering=0)

    def close(self) -> None:
        os.close(self.descriptor)

    def __enter__(self) -> Folder:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _keep_private(self, name: str, descriptor: int) -> None:
        """Who may not open what is replaced may not open what replaces it."""
        try:
            before = os.stat(name, dir_fd=self.descriptor, follow_symlinks=False)
        except OSError:
            return
        if stat.S_ISREG(before.st_mode):
            os.fchmod(descriptor, os.fstat(descriptor).st_mode & before.st_mode & 0o666)

    def _sync(self) -> None:
        if self._fleeting:
            return
        try:
            os.fsync(self.descriptor)
        except OSError:  # not every file system syncs directories, nor a descriptor of one that may not be listed
            pass


@contextmanager
def written(path: Path) -> Iterator[IO[bytes]]:
    """A file to write where the user asked for it: in full at `path` once the block has ended. Raises `OSError`.

    `-`, pipes and character devices (/dev/stdout, /dev/null) are written as they are.
    """
    if str(path) == "-":
        sys.stdout.flush()
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
    elif (descriptor := _stream(path)) is not None:
        with os.fdopen(descriptor, "wb") as file:
            yield file
    else:
        with replaced(path) as file:
            yield file


@contextmanager
def replaced(path: Path) -> Iterator[IO[bytes]]:
    """A file of a fixed name to write, in a directory that is there: whatever is at `path` is replaced."""
    with Folder(path.parent, _opened(path.parent)) as folder, folder.new(path.name) as file:
        yield file


def sync_parents(path: Path) -> None:
    """Puts the names that lead to `path` on the disk: directories may have been made for it. Raises `OSError`."""
    for directory in path.parents:
        descriptor = _opened(directory)
        try:
            os.fsync(descriptor)
        except OSError as error:
            # File systems that sync no directories, and directories that may not be listed.
            if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF):
                raise
        finally:
            os.close(descriptor)


def is_stream(path: Path) -> bool:
    """Whether `written` would write it as it is: there is no file to be named afterwards."""
    if str(path) == "-" or _OPEN.fullmatch(str(path)):
        return True
    try:
        mode = path.lstat().st_mode
    except OSError:
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISCHR(mode)


def _stream(path: Path) -> int | None:
    """A descriptor of what is written as it is; None where a file is to be made."""
    if held := _OPEN.fullmatch(str(path)):
        number, out, err, own = held.groups()
        return os.dup(int(number or own or (1 if out else 2 if err else 0)))
    if not is_stream(path):
        return None
    descriptor = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_NOCTTY | os.O_CLOEXEC)
    mode = os.fstat(descriptor).st_mode
    if not (stat.S_ISFIFO(mode) or stat.S_ISCHR(mode)):
        os.close(descriptor)
        raise OSError(None, "it changed while it was opened")
    return descriptor


def _opened(path: str | Path, flags: int = 0, within: int | None = None) -> int:
    try:
        return os.open(path, os.O_RDONLY | _DIRECTORY | flags, dir_fd=within)
    except PermissionError:  # one may write in it, and not list it
        return os.open(path, os.O_PATH | _DIRECTORY | flags, dir_fd=within)
