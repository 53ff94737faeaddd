"""Room on this machine's own file systems: a journal on a network's would stall and break with the network."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path

from smaragdine.errors import SmaragdineError
from smaragdine.files.firm import can_be_emptied_by_others, overflow_user

_MOUNTS = Path("/proc/self/mountinfo")
_USERS = Path("/proc/self/uid_map")
_NETWORK = {
    *("nfs", "nfs4", "cifs", "smb3", "smbfs", "ncpfs", "afs", "coda", "ceph", "lustre", "gpfs", "beegfs", "panfs"),
    *("glusterfs", "orangefs", "pvfs2", "fuse.sshfs", "fuse.glusterfs", "fuse.ceph-fuse", "fuse.s3fs", "fuse.gcsfuse"),
}
# Its names begin so; what begins otherwise was not made here.
PREFIX = "smaragdine-"


def private_directory(*preferred: Path, suits: Callable[[Path], bool] = lambda directory: True) -> Path:
    """A new directory that only this user may enter: in the first of the places that can have it, and that `suits`.

    Raises `SmaragdineError` that tells what is wrong with each.
    """
    problems: dict[Path, str] = {}
    # One after another: the first is nearly always the last that is looked at.
    for place in chain(preferred, _places()):
        if place in problems:
            continue
        try:
            # The protocol and trace.json name it as text.
            os.fsencode(place).decode()
            if changeable := changeable_by_others(place):
                problems[place] = f"{place}: others may change what is in {changeable}"
                continue
            directory = Path(tempfile.mkdtemp(prefix=PREFIX, dir=place))
        except UnicodeDecodeError:
            problems[place] = f"{str(place)!r}: its name is not UTF-8"
            continue
        except OSError as error:
            problems[place] = f"{place}: {error.strerror}"
            continue
        if suits(directory):
            return directory
        directory.rmdir()
        problems[place] = f"{place}: its path is too long"
    raise SmaragdineError(
        "no place was found for temporary files; looked at\n"
        + "\n".join(f"  {problem}" for problem in problems.values()),
        hint="name a directory of this machine in TMPDIR",
    )


def runtime_directory() -> Path | None:
    """`XDG_RUNTIME_DIR`, where it can be one."""
    place = Path(os.environ.get("XDG_RUNTIME_DIR", ""))
    return place if place.is_absolute() and os.access(place, os.W_OK | os.X_OK) else None


def _places() -> Iterator[Path]:
    """Where temporary files go: the usual place, and others; what lies on a network comes last."""
    runtime = runtime_directory()
    places = [*_usual(), *([runtime] if runtime else []), Path("/tmp"), Path("/var/tmp"), Path("/dev/shm")]  # noqa: S108
    yield from (place for place in places if network_file_system(place) is None)
    yield from places


def _usual() -> Iterator[Path]:
    try:
        yield Path(tempfile.gettempdir())
    except FileNotFoundError:  # none that Python knows can be written
        pass


def changeable_by_others(place: Path) -> Path | None:
    """The directory, `place` or one above it, in which others could put something else in the place of what is ours.

    Others' own, and those that others may write unless they are sticky: the daemon refuses to keep its state there.
    """
    resolved = place.resolve()
    unmapped = _unmapped()
    trusted = {0, os.geteuid()} | ({unmapped} if unmapped is not None else set())
    for directory in (resolved, *resolved.parents):
        if can_be_emptied_by_others(directory.stat(), trusted):
            return directory
    return None


def _unmapped() -> int | None:
    """Who root seems to be in a user namespace that has no name for it, as a container's."""
    try:
        if _USERS.read_text().split()[2:3] == ["4294967295"]:
            return None
        return overflow_user()
    except (OSError, ValueError):
        return None


def network_file_system(path: Path) -> str | None:
    """The kind of network file system that `path` lies on, `nfs4`; None where it lies on none."""
    resolved = path.resolve()
    try:
        lines = _MOUNTS.read_text(errors="surrogateescape").split("\n")
    except OSError:
        return None
    kind, deepest = None, -1
    for line in lines:
        # proc(5): `ID PARENT MAJOR:MINOR ROOT MOUNTPOINT OPTIONS… - TYPE SOURCE OPTIONS`
        before, _, after = line.partition(" - ")
        fields = before.split(" ")
        if len(fields) < 5 or not after:
            continue
        point = Path(re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), fields[4]))
        depth = len(point.parts)
        # Of two mounts on one place, the later covers the earlier.
        if resolved.is_relative_to(point) and depth >= deepest:
            kind, deepest = after.split(" ")[0], depth
    return kind if kind in _NETWORK else None
