"""One user who takes all that a shared daemon gives one user: what that is in threads, descriptors and files."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from served import Served, served, wait_until
from smaragdine.daemon.client import Client, StartOptions
from smaragdine.errors import SmaragdineError
from testbed.hardware import Tree, built

# What docs/security.md says of each recording: threads and descriptors of a source, of powercap with two registers, and
# of all: one thread looks at who uses the machine, one at its metrics (and one at those of GPUs), one collects; the
# journal, and the process that is recorded.
MOST = 64
SOURCES = {"powercap": (1, 3), "nvml": (3, 1)}
OF_EACH = (3, 2)
FILES_RUNNING, FILES_KEPT = 2, 15
# Of the runtime, which keeps threads for a while, and of the connection.
BESIDE = 20


def held(daemon: Served) -> tuple[int, int, int]:
    """Threads, descriptors, and what lies in the state directory."""
    process = Path(f"/proc/{daemon.process.pid}")
    threads, descriptors = (len(list((process / what).iterdir())) for what in ("task", "fd"))
    return threads, descriptors, len(list(daemon.state_dir.rglob("*")))


@pytest.mark.parametrize("sources", [("powercap",), ("powercap", "nvml")])
def test_the_most_recordings_of_one_user_hold_no_more_than_is_said(
    sources: tuple[str, ...], tmp_path: Path, tree: Tree
) -> None:
    if "nvml" in sources:
        # Where `served` looks for a driver.
        (tmp_path / "none").write_bytes(built("fake-nvml", "libfake_nvml.so").read_bytes())
        (tmp_path / "none.spec").write_text("gpu.watts = constant:250\ngpu.refresh_ms = 20\n")
    threads, descriptors = (
        of_each + sum(SOURCES[source][at] for source in sources) for at, of_each in enumerate(OF_EACH)
    )
    with served(tmp_path, tree.root) as daemon:
        client = Client(daemon.socket)
        client.describe()
        before = held(daemon)
        started = [client.start(StartOptions(period_ns=50_000_000)).recording for _ in range(MOST)]
        with pytest.raises(SmaragdineError, match=f"{MOST} recordings of yours run already"):
            client.start(StartOptions())
        time.sleep(0.5)
        running = held(daemon)
        for recording in started:
            client.stop(recording)
        wait_until(lambda: held(daemon)[0] <= before[0] + BESIDE)
        kept = held(daemon)
        client.close()
    print(f"{sources}: threads, descriptors, files: {before} before, {running} running, {kept} kept")
    most = (threads * MOST + BESIDE, descriptors * MOST + BESIDE, FILES_RUNNING * MOST)
    assert all(now - then <= limit for now, then, limit in zip(running, before, most, strict=True))
    assert kept[1] <= before[1] + BESIDE
    assert kept[2] - before[2] <= FILES_KEPT * MOST
