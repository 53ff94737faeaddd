"""A daemon that is killed at any instant loses nothing of what it acknowledged, and at most the last second of energy.

SMARAGDINE_KILLS says how often (a few times otherwise), SMARAGDINE_KILLS_FROM which is the first.
"""

from __future__ import annotations

import os
import random
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from served import Recorded, fetched, served
from smaragdine.daemon.binary import find_binary
from smaragdine.daemon.client import Client, Started, StartOptions
from smaragdine.daemon.messages import ClockPair, Event, Events, Note, Stamped, Step, StepBatch
from smaragdine.errors import SmaragdineError
from smaragdine.recording.output import Output
from testbed.hardware import Tree

KILLS = int(os.environ.get("SMARAGDINE_KILLS", "4"))
FIRST = int(os.environ.get("SMARAGDINE_KILLS_FROM", "0"))
# A second between two writes, and what a busy machine takes to write.
MOST_LOST_NS = 1_500_000_000


class Program:
    """Records until it has its trace or nobody answers any more, and keeps what it was told."""

    def __init__(self, socket: Path, output: Path, seconds: float) -> None:
        self.output = output
        self.started: Started | None = None
        self.acknowledged = 0
        self.stopped = self.received = self.released = False
        self.phase = ""
        self.ending = threading.Event()
        self._client = Client(socket)
        self._seconds = seconds
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def join(self) -> None:
        self._thread.join()
        self._client.close()

    def _reached(self) -> str:
        reached = {"released": self.released, "received": self.received, "stopped": self.stopped}
        running = "starting" if not self.started else "stopping" if self.ending.is_set() else "recording"
        return next((phase for phase, is_reached in reached.items() if is_reached), running)

    def _run(self) -> None:
        try:
            self.started = self._client.start(StartOptions(keep_all=True))
            recording = self.started.recording
            for told in self._client.record(recording, self._messages()):
                self.acknowledged = told.acknowledged
            self.ending.set()
            self._client.stop(recording)
            self.stopped = True
            Output.claim(self.output).receive(self._client.fetch(recording))
            self.received = True
            self._client.release(recording)
            self.released = True
        except SmaragdineError:
            pass  # the daemon was killed
        finally:
            self.phase = self._reached()
            self.ending.set()

    def _messages(self) -> Iterator[Stamped]:
        """In turns a note, a step and an event, each of which says its number."""
        begun = time.monotonic()
        number = 0
        while time.monotonic() - begun < self._seconds:
            number += 1
            now = time.monotonic_ns()
            message = [
                Note(str(number)),
                StepBatch([Step(number, now - 1_000_000, now)]),
                Events([Event(f"net/{number}/MatMul", now - 1_000_000, now)], "monotonic"),
            ][number % 3]
            yield Stamped(number, ClockPair.now(), message)
            time.sleep(0.01)


def said(trace: Recorded) -> set[int]:
    """The numbers of the messages that a trace holds."""
    steps = {step for (step,) in trace.sql("select step from {steps}")}
    events = {int(qtn.split("/")[1]) for (qtn,) in trace.sql("select qtn from {ops}") if qtn.startswith("net/")}
    return {*map(int, trace.metadata["log"]), *steps, *events}


def recovered(state_dir: Path, output: Path) -> Recorded:
    command = [find_binary(), "recover", state_dir, "--output", output]
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return Recorded(output)


def given_back(program: Program, socket: Path, output: Path) -> Recorded:
    """From a daemon that took over what the one before left."""
    assert program.started
    client = Client(socket)
    try:
        client.describe()
        return fetched(client, program.started.recording, output)
    finally:
        client.close()


def assert_kept(program: Program, trace: Recorded, tree: Tree, killed_ns: int) -> None:
    assert program.started
    missing = set(range(1, program.acknowledged + 1)) - said(trace)
    assert not missing, f"{program.acknowledged} messages were acknowledged, and these are not kept: {missing}"
    ((readings, end_ns),) = trace.sql("select count(*), max(end_ns) from {readings} where domain = 'package-0'")
    if program.stopped:
        assert trace.metadata["state"] == "complete"
    else:
        until_ns = end_ns or program.started.start_ns
        assert killed_ns - (until_ns - trace.metadata["realtime_offset_ns"]) <= MOST_LOST_NS
    if readings >= 3:
        assert trace.holes_ns() == 0
        assert trace.energy_error(tree) <= 0.001
        assert trace.ledger_error() <= 1e-9


def test_a_daemon_that_is_killed_at_any_instant_loses_nothing_that_it_acknowledged(tmp_path: Path, tree: Tree) -> None:
    seen: Counter[str] = Counter()
    for number in range(FIRST, FIRST + KILLS):
        chance = random.Random(number)
        place = tmp_path / str(number)
        place.mkdir()
        seconds = chance.uniform(0.0, 2.0)
        # Half of them while it ends, which takes a tenth of a second.
        while_it_ends = chance.random() < 0.5
        kill_s = chance.uniform(0.0, 0.1 if while_it_ends else seconds)
        with served(place, tree.root) as daemon:
            program = Program(daemon.socket, place / "out", seconds)
            if while_it_ends:
                program.ending.wait()
            time.sleep(kill_s)
            killed_ns = time.monotonic_ns()
            daemon.process.kill()
            daemon.process.wait()
            program.join()
        what = (
            f"kill {number}, {kill_s:.3f} s after it began to {'end' if while_it_ends else 'record'}, {program.phase}"
        )
        seen[program.phase] += 1
        try:
            if program.started and not program.received and number % 2:
                trace = recovered(Path(program.started.state_dir), place / "recovered")
                assert_kept(program, trace, tree, killed_ns)
            # Whatever it left, the next one serves, and gives what it kept to whom it belongs.
            with served(place, tree.root) as again:
                if program.received:
                    trace = Recorded(program.output)
                    assert_kept(program, trace, tree, killed_ns)
                elif program.started:
                    trace = given_back(program, again.socket, place / "given-back")
                    assert_kept(program, trace, tree, killed_ns)
                    assert list(again.state_dir.glob("*/journal")) == []
        except Exception as fault:
            raise AssertionError(what) from fault
    print(f"{KILLS} kills from {FIRST}: {dict(seen)}")
