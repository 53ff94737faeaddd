"""Directories of this user's that nobody else can change, or put another in place of: held by descriptor."""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

_WALKED = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_LISTED = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_OTHERS_WRITE, _OTHERS_ENTER = 0o022, 0o011


class DistrustError(Exception):
    """Why a directory is not trusted, in words that follow its name."""


class NotYoursError(DistrustError):
    """It is another user's."""


@contextmanager
def trusted_directory(directory: Path) -> Iterator[int]:
    """A descriptor of `directory`, which is absolute. Raises `DistrustError`, and `OSError` where it is not there.

    Links may lead to what it lies in, for that is looked at as well; itself it is none.
    """
    if not directory.is_absolute() or directory.name in ("", "..") or "\0" in str(directory):
        raise DistrustError("is no name of a directory")
    descriptor = os.open("/", _WALKED)
    try:
        for name in directory.parent.resolve(strict=True).parts[1:]:
            _require_firm(descriptor)
            above, descriptor = descriptor, os.open(name, _WALKED, dir_fd=descriptor)
            os.close(above)
        _require_firm(descriptor)
        above, descriptor = descriptor, os.open(directory.name, _LISTED, dir_fd=descriptor)
        os.close(above)
        _require_own(descriptor)
        _require_closed(descriptor)
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def trusted_directory_in(above: int, name: str) -> Iterator[int]:
    """A directory in one that is held. Raises as `trusted_directory`."""
    if name in ("", "..") or "/" in name:
        raise DistrustError("is no name of a directory")
    descriptor = os.open(name, _LISTED, dir_fd=above)
    try:
        _require_own(descriptor)
        if os.fstat(above).st_mode & _OTHERS_ENTER:
            _require_closed(descriptor)
        yield descriptor
    finally:
        os.close(descriptor)


def is_own_file(status: os.stat_result) -> bool:
    """Whether it is a plain file of this user's without a second name."""
    return stat.S_ISREG(status.st_mode) and status.st_uid == os.geteuid() and status.st_nlink == 1


def require_no_links(descriptor: int) -> None:
    """Raises `DistrustError` where a directory holds symbolic links, second names of files, or what is no file."""
    with os.scandir(descriptor) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                with trusted_directory_in(descriptor, entry.name) as inner:
                    require_no_links(inner)
            elif not is_own_file(entry.stat(follow_symlinks=False)):
                raise DistrustError(f"holds {entry.name!r}, which is a link, or no file of yours")


def empty(descriptor: int) -> None:
    """Removes all that a directory holds. Raises `OSError`, `DistrustError`."""
    with os.scandir(descriptor) as entries:
        for entry in list(entries):
            if entry.is_dir(follow_symlinks=False):
                with trusted_directory_in(descriptor, entry.name) as inner:
                    empty(inner)
                os.rmdir(entry.name, dir_fd=descriptor)
            else:
                os.unlink(entry.name, dir_fd=descriptor)


def can_be_emptied_by_others(status: os.stat_result, trusted: Collection[int]) -> bool:
    """Whether others can move what a directory holds, and put something else there: its owner, or who may write.

    In a sticky one, as `/tmp` is, others move nothing of ours.
    """
    return status.st_uid not in trusted or bool(status.st_mode & _OTHERS_WRITE and not status.st_mode & stat.S_ISVTX)


def overflow_user() -> int:
    """Whom a user namespace shows as the owner of what belongs to nobody in it. Raises `OSError`, `ValueError`."""
    return int(Path("/proc/sys/kernel/overflowuid").read_text())


def _require_firm(descriptor: int) -> None:
    """Of a parent: what it holds stays where it is, whatever others do."""
    if can_be_emptied_by_others(os.fstat(descriptor), _trusted()):
        raise DistrustError("lies where others can put another in its place")


def _require_own(descriptor: int) -> None:
    if os.fstat(descriptor).st_uid != os.geteuid():
        raise NotYoursError("belongs to another user")


def _require_closed(descriptor: int) -> None:
    if os.fstat(descriptor).st_mode & _OTHERS_WRITE:
        raise DistrustError("can be changed by others")


def _trusted() -> set[int]:
    """Who may own a parent: this user and root, whom a user namespace without him shows as the overflow user."""
    users = {0, os.geteuid()}
    try:
        mapped = [line.split() for line in Path("/proc/self/uid_map").read_text().splitlines()]
        if all(int(first) > 0 for first, _, _ in mapped):
            users.add(overflow_user())
    except (OSError, ValueError):
        pass
    return users
