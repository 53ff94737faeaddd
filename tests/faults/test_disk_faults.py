"""The fault suite of disks that are full: what each leaves of the energy. One row of docs/reliability.md each."""

from __future__ import annotations

import ctypes
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from served import Recorded, fetched, needs_root, served
from smaragdine.cli import main
from smaragdine.daemon.client import Client, StartOptions
from smaragdine.daemon.messages import ClockPair, Note, Stamped
from smaragdine.recording.output import Output
from testbed.hardware import Tree


@contextmanager
def small_disk(at: Path, mebibytes: int) -> Iterator[Path]:
    at.mkdir()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"tmpfs", os.fsencode(at), b"tmpfs", 0, f"size={mebibytes}m".encode()) != 0:
        pytest.skip(f"no file system can be mounted here: {os.strerror(ctypes.get_errno())}")
    try:
        yield at
    finally:
        libc.umount2(os.fsencode(at), 2)


def fill(disk: Path) -> Path:
    """Takes all the room that there is."""
    filler = disk / "filler"
    with filler.open("ab", buffering=0) as file:
        for size in (1 << 20, 4096):
            try:
                while file.write(b"\0" * size):
                    pass
            except OSError:
                pass
    return filler


@needs_root
def test_a_full_disk_loses_no_energy_only_resolution_and_says_so(tmp_path: Path, tree: Tree) -> None:
    with small_disk(tmp_path / "disk", 32) as disk, served(tmp_path, tree.root, state_dir=disk / "state") as daemon:
        client = Client(daemon.socket)
        # Fast, so that the room that is held ahead does not last.
        recording = client.start(StartOptions(keep_all=True, period_ns=500_000)).recording
        time.sleep(1)
        filler = fill(disk)
        time.sleep(1.5)
        pair = ClockPair.now()
        (told,) = client.record(recording, [Stamped(1, pair, Note("no room for this"))])
        assert (told.advice, "no room is left" in str(told.problem)) == ("pause", True)
        time.sleep(8)
        fill(disk)
        time.sleep(3)
        filler.unlink()
        time.sleep(1.5)
        (told,) = client.record(recording, [Stamped(2, pair, Note("room again"))])
        assert told.problem is None
        trace = fetched(client, recording, tmp_path / "out")
        client.close()
    trace.assert_whole(tree)
    assert trace.metadata["log"] == ["room again"]
    warnings = " ".join(trace.metadata["warnings"])
    assert "readings were merged" in warnings
    assert "1 of the program's messages were left out" in warnings


@needs_root
def test_a_disk_that_stays_full_leaves_a_journal_that_becomes_a_trace_elsewhere(tmp_path: Path, tree: Tree) -> None:
    with small_disk(tmp_path / "disk", 32) as disk:
        with served(tmp_path, tree.root, state_dir=disk / "state") as daemon:
            client = Client(daemon.socket)
            started = client.start(StartOptions(keep_all=True))
            time.sleep(1)
            fill(disk)
            time.sleep(3)
            fill(disk)
            killed_ns = time.monotonic_ns()
            client.close()
        Output.claim(tmp_path / "out").begin(started.trace_json, daemon.socket, started.recording, started.state_dir)
        assert main(["recover", str(tmp_path / "out")]) == 0
    trace = Recorded(tmp_path / "out")
    trace.assert_whole(tree, state="cut")
    lost_ns = killed_ns - (trace.metadata["end_ns"] - trace.metadata["realtime_offset_ns"])
    assert lost_ns <= 1_500_000_000


@needs_root
def test_an_output_on_a_full_disk_is_fetched_once_there_is_room(tmp_path: Path, tree: Tree) -> None:
    with small_disk(tmp_path / "disk", 4) as disk, served(tmp_path, tree.root) as daemon:
        client = Client(daemon.socket)
        started = client.start(StartOptions(keep_all=True))
        output = Output.claim(disk / "out")
        output.begin(started.trace_json, daemon.socket, started.recording, started.state_dir)
        time.sleep(2)
        filler = fill(disk)
        client.stop(started.recording)
        with pytest.raises(OSError, match="No space left"):
            output.receive(client.fetch(started.recording))
        filler.unlink()
        assert main(["recover", str(disk / "out")]) == 0
        client.close()
        Recorded(disk / "out").assert_whole(tree)
        assert list(daemon.state_dir.glob("*/journal")) == []
