"""Where this process runs, as far as it decides what can be measured."""

from __future__ import annotations

import getpass
import platform
from dataclasses import dataclass
from pathlib import Path

from smaragdine.errors import SmaragdineError


@dataclass(frozen=True)
class Surroundings:
    """A machine and a user. `gpus` counts NVIDIA's device files, whether or not a driver answers."""

    host: str
    user: str
    container: bool
    virtual: bool
    gpus: int
    # NVIDIA's driver lets only an administrator profile, so that TensorFlow sees no kernels.
    profiling_restricted: bool
    # Where the daemon's program is; None where it is not installed.
    binary: str | None

    @classmethod
    def here(cls) -> Surroundings:
        from smaragdine.daemon.binary import find_binary

        try:
            binary = str(find_binary())
        except SmaragdineError:
            binary = None
        return cls(
            host=platform.node(),
            user=_user(),
            container=any(Path(mark).exists() for mark in ("/.dockerenv", "/run/.containerenv"))
            or "container=" in _text("/proc/1/environ"),
            virtual="hypervisor" in _text("/proc/cpuinfo"),
            gpus=len(list(Path("/dev").glob("nvidia[0-9]*"))),
            profiling_restricted="RmProfilingAdminOnly: 1" in _text("/proc/driver/nvidia/params"),
            binary=binary,
        )


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "USER"


def _text(path: str) -> str:
    try:
        return Path(path).read_text(errors="replace")
    except OSError:
        return ""
