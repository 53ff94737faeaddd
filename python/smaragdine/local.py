"""Room on this machine's own file systems: a journal on a network's would stall and break with the network."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

_MOUNTS = Path("/proc/self/mountinfo")
_NETWORK = {
    *("nfs", "nfs4", "cifs", "smb3", "smbfs", "ncpfs", "afs", "coda", "ceph", "lustre", "gpfs", "beegfs", "panfs"),
    *("glusterfs", "orangefs", "pvfs2", "fuse.sshfs", "fuse.glusterfs", "fuse.ceph-fuse", "fuse.s3fs", "fuse.gcsfuse"),
}


def temporary_directory() -> Path:
    """Where temporary files go: the usual place, unless that lies on a network file system and another does not."""
    usual = Path(tempfile.gettempdir())
    return next((place for place in _places(usual) if network_file_system(place) is None), usual)


def _places(usual: Path) -> Iterator[Path]:
    yield usual
    for place in (os.environ.get("XDG_RUNTIME_DIR", ""), "/tmp", "/var/tmp", "/dev/shm"):  # noqa: S108  mkdtemp follows
        if Path(place).is_absolute() and os.access(place, os.W_OK | os.X_OK):
            yield Path(place)


def network_file_system(path: Path) -> str | None:
    """The kind of network file system that `path` lies on, `nfs4`; None where it lies on none."""
    resolved = path.resolve()
    try:
        lines = _MOUNTS.read_text(errors="surrogateescape").splitlines()
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
