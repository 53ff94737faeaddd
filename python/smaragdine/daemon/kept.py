"""What a daemon keeps of a recording in its state directory, and whether `smaragdine recover` may touch that.

`trace.json` names the directory, and anybody can write a `trace.json` and send it. So whoever records leaves marks in
the directory itself, where nobody else can: which recording it is of, and for which OUTPUT. Without them it is neither
read nor removed. A mark is an empty file, which finds room on a disk that is full; its name says all.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import shlex
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from smaragdine.errors import SmaragdineError
from smaragdine.files.firm import (
    DistrustError,
    NotYoursError,
    empty,
    is_own_file,
    require_no_links,
    trusted_directory,
    trusted_directory_in,
)
from smaragdine.files.local import PREFIX
from smaragdine.files.writing import Folder

_LOG = logging.getLogger("smaragdine")
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
# What a private daemon's directory holds beside its recordings and marks, and what its socket is called.
_LOG_FILE, _LOCK, _SOCKET = "daemon.log", "lock", "socket"
_MARK = "mark-"
# A daemon whose program has gone is about to leave, too.
_PATIENCE_S = 5.0


def mark(state_dir: Path, recording: str, output: Path) -> None:
    """Marks a recording's state directory as kept for `output`, where it is this user's own: a service's is not."""
    try:
        with (
            trusted_directory(state_dir.parent) as above,
            trusted_directory_in(above, state_dir.name) as state,
            Folder.at(output) as into,
        ):
            _claim(state, _of_recording(state, recording, into.descriptor))
    except (OSError, DistrustError) as problem:
        _LOG.debug("%s is not marked: %s", state_dir, problem)


def mark_private(directory: Path, socket: Path) -> None:
    """Marks a directory that was made for a private daemon whose socket is in another: both are removed one day."""
    try:
        with trusted_directory(directory) as private:
            _claim(private, _of_private(private, directory.name))
            if socket.parent.name.startswith(PREFIX):
                _claim(private, _of_socket(private, socket.parent.lstat().st_ino))
    except (OSError, DistrustError) as problem:
        _LOG.debug("%s is not marked: %s", directory, problem)


class Kept:
    """A state directory that this user's daemon keeps for one OUTPUT. No link is in its `path`."""

    def __init__(self, path: Path, above: int, state: int) -> None:
        self.path = path
        self._above = above
        self._state = state

    @classmethod
    @contextmanager
    def found(cls, state_dir: Path, recording: str, output: Path) -> Iterator[Kept]:
        """The one that OUTPUT names, if it is marked so. Raises `SmaragdineError` that says why it is left alone."""
        directory = state_dir.parent
        with ExitStack() as stack:
            try:
                above = stack.enter_context(trusted_directory(directory))
                state = stack.enter_context(trusted_directory_in(above, state_dir.name))
                into = stack.enter_context(Folder.at(output))
                if not _has(state, _of_recording(state, recording, into.descriptor)):
                    raise DistrustError("was not marked by the recording of this OUTPUT")
                require_no_links(state)
                kept = cls(directory.parent.resolve() / directory.name / state_dir.name, above, state)
            except (OSError, DistrustError) as problem:
                raise _refusal(state_dir, output, problem) from problem
            yield kept

    def keep_log(self, output: Path) -> None:
        """Copies a private daemon's log into OUTPUT. Raises `OSError`."""
        if not self._private:
            return
        try:
            log = os.open(_LOG_FILE, _FILE, dir_fd=self._above)
        except OSError:
            return
        if not is_own_file(os.fstat(log)):
            os.close(log)
            return
        with os.fdopen(log, "rb") as source, Folder.at(output) as into:
            into.copy(source, _LOG_FILE)

    def remove(self, socket: Path) -> None:
        """Removes what a private daemon left, and the directory of its socket, as far as they are marked as that.

        Of its directory only what a daemon makes there: where there is anything else, that stays.
        """
        if not self._private or not self._abandoned():
            return
        directory = self.path.parent
        try:
            _remove_socket(self._above, socket)
            empty(self._state)
            os.rmdir(self.path.name, dir_fd=self._above)
            for name in (_LOG_FILE, _LOCK, *_marks(self._above)):
                _unlink(name, self._above)
            directory.rmdir()
        except (OSError, DistrustError) as problem:
            _LOG.debug("%s is not removed: %s", directory, problem)

    @property
    def _private(self) -> bool:
        name = self.path.parent.name
        return name.startswith(PREFIX) and _has(self._above, _of_private(self._above, name))

    def _abandoned(self) -> bool:
        """Whether no daemon has it any more."""
        try:
            lock = os.open(_LOCK, _FILE, dir_fd=self._above)
        except OSError:
            return True
        deadline = time.monotonic() + _PATIENCE_S
        try:
            while not _taken(lock):
                if time.monotonic() > deadline:
                    return False
                time.sleep(0.05)
            return True
        finally:
            os.close(lock)


def _taken(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _remove_socket(above: int, socket: Path) -> None:
    """A private daemon's socket and the directory that was made for it."""
    directory = socket.parent
    try:
        with trusted_directory(directory) as place:
            own = directory.name.startswith(PREFIX) and _has(above, _of_socket(above, os.fstat(place).st_ino))
            if own:
                _unlink(_SOCKET, place)
        if own:
            directory.rmdir()
    except (OSError, DistrustError) as problem:
        _LOG.debug("%s is not removed: %s", directory, problem)


def _unlink(name: str, within: int) -> None:
    try:
        os.unlink(name, dir_fd=within)
    except FileNotFoundError:
        pass


def _of_recording(state: int, recording: str, output: int) -> str:
    # No device numbers: those of btrfs, overlays and NFS change when the machine starts again.
    return _named("recording", os.fstat(state).st_ino, recording, os.fstat(output).st_ino)


def _of_private(directory: int, name: str) -> str:
    return _named("private", os.fstat(directory).st_ino, name)


def _of_socket(directory: int, inode: int) -> str:
    return _named("socket", os.fstat(directory).st_ino, inode)


def _named(*words: object) -> str:
    return _MARK + hashlib.sha256("\0".join(map(str, words)).encode("utf-8", "surrogateescape")).hexdigest()


def _marks(directory: int) -> list[str]:
    length = len(_named())
    return [name for name in os.listdir(directory) if name.startswith(_MARK) and len(name) == length]


def _claim(directory: int, name: str) -> None:
    Folder(Path(), directory).claim(name).close()


def _has(directory: int, name: str) -> bool:
    try:
        return is_own_file(os.stat(name, dir_fd=directory, follow_symlinks=False))
    except OSError:
        return False


def _refusal(state_dir: Path, output: Path, problem: OSError | DistrustError) -> SmaragdineError:
    if isinstance(problem, PermissionError | NotYoursError):
        return SmaragdineError(
            f"the service that recorded does not answer, and keeps {state_dir} for itself",
            hint="once it runs again (`sudo systemctl start smaragdined`), call `smaragdine recover` again",
        )
    if isinstance(problem, FileNotFoundError):
        return SmaragdineError(f"what was measured for {output} is gone: there is no {state_dir}")
    reason = f"cannot be opened ({problem.strerror})" if isinstance(problem, OSError) else str(problem)
    named, into = shlex.quote(str(state_dir)), shlex.quote(str(output))
    return SmaragdineError(
        f"{output} names {state_dir}, which is left alone: it {reason}",
        hint=f"only if you know it to be this recording's: `smaragdine daemon recover {named} --output {into}`",
    )
