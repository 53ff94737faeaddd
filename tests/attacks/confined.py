"""A daemon with little memory, so that what costs too much of it shows."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from served import wait_until

ROOT = Path("/sys/fs/cgroup")


@contextmanager
def memory_of(mib: int) -> Iterator[list[str]]:
    """A command that becomes another one in a cgroup of so much memory, without swap.

    Skips where this machine lets nobody make one: root and cgroup v2 with its memory controller are needed.
    """
    if os.geteuid() != 0:
        pytest.skip("only root makes cgroups")
    try:
        controllers = (ROOT / "cgroup.subtree_control").read_text().split()
    except OSError:
        pytest.skip(f"{ROOT} is no cgroup v2 hierarchy")
    if "memory" not in controllers:
        pytest.skip(f"{ROOT} has no memory controller for its children")
    group = ROOT / f"smaragdine-attack-{os.getpid()}"
    try:
        group.mkdir()
        (group / "memory.max").write_text(str(mib << 20))
    except OSError as error:
        pytest.skip(f"no cgroup can be made here: {error}")
    try:
        (group / "memory.swap.max").write_text("0")
    except OSError:  # a kernel without swap accounting
        pass
    try:
        yield ["sh", "-c", 'echo $$ > "$0" && exec "$@"', str(group / "cgroup.procs")]
    finally:
        (group / "cgroup.kill").write_text("1")
        wait_until(lambda: not (group / "cgroup.procs").read_text())
        group.rmdir()
