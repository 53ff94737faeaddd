"""Hardware that this machine lacks: the fakes of tests/fakes, built and started as a user would."""

from __future__ import annotations

import bisect
import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent


@cache
def built(package: str, artefact: str) -> Path:
    """The path of a workspace member's artefact, built if need be."""
    command = ["cargo", "build", "--quiet", "--message-format=json", "--package", package]
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    messages = [json.loads(line) for line in done.stdout.splitlines()]
    files = [Path(name) for message in messages for name in message.get("filenames", [])]
    return next(path for path in files if path.name == artefact)


class Truth:
    """What the registers of a fake powercap tree really held."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._place = 0
        self._due_ns: list[int] = []
        self._written_ns: list[int] = []
        self._rows: list[dict[str, Any]] = []
        self.read_on()

    def read_on(self) -> None:
        """Takes in what was written since: a thousand rows a second."""
        with self._path.open("rb") as file:
            file.seek(self._place)
            # The writer may be in the middle of its last line.
            whole, line_end, _ = file.read().rpartition(b"\n")
        self._place += len(whole) + len(line_end)
        rows = [json.loads(line) for line in whole.splitlines()]
        self._due_ns += [row["monotonic_ns"] for row in rows]
        self._written_ns += [row["written_ns"] for row in rows]
        self._rows += rows

    @property
    def until_ns(self) -> int:
        """CLOCK_MONOTONIC up to which it is known; the writer is some way ahead of what it wrote down."""
        return int(self._written_ns[-1])

    def energy_j(self, zone: str, start_ns: int, end_ns: int) -> float:
        """What the register gained between two instants of CLOCK_MONOTONIC; it moves once a millisecond."""
        return (self._held_uj(zone, self._written_ns, end_ns) - self._held_uj(zone, self._written_ns, start_ns)) * 1e-6

    def held_uj(self, zone: str, from_ns: int, to_ns: int) -> tuple[int, int]:
        """The least and the most that a read between two instants can have shown, without wraps and resets.

        A register moves at some instant between the two that its row tells; on a busy machine they lie apart.
        """
        return self._held_uj(zone, self._written_ns, from_ns), self._held_uj(zone, self._due_ns, to_ns)

    def bounds_j(self, zone: str, start_ns: tuple[int, int], end_ns: tuple[int, int]) -> tuple[float, float]:
        """The least and the most that the register can have gained from some instant of `start_ns` to one of `end_ns`.

        Between the moment when an update is due and the one after which it has surely been made, it may show either.
        """
        least = self._held_uj(zone, self._written_ns, end_ns[0]) - self._held_uj(zone, self._due_ns, start_ns[1])
        most = self._held_uj(zone, self._due_ns, end_ns[1]) - self._held_uj(zone, self._written_ns, start_ns[0])
        return least * 1e-6, most * 1e-6

    def _held_uj(self, zone: str, since_ns: list[int], at_ns: int) -> int:
        row = self._rows[max(0, bisect.bisect_right(since_ns, at_ns) - 1)]
        held: int = row["energy_uj"][zone]
        return held


class Tree:
    """A running fake powercap tree."""

    def __init__(self, root: Path, truth: Path) -> None:
        self.root = root
        self._truth = truth
        self._read: Truth | None = None

    @property
    def truth(self) -> Truth:
        if self._read is None:
            self._read = Truth(self._truth)
        self._read.read_on()
        return self._read

    @property
    def age_s(self) -> float:
        """Seconds since its waveforms began."""
        with self._truth.open() as rows:
            return time.monotonic() - float(json.loads(rows.readline())["monotonic_ns"]) * 1e-9


@contextmanager
def powercap_tree(directory: Path, *options: str) -> Iterator[Tree]:
    """A powercap tree that moves until the block ends; options as `fake-powercap --help` tells."""
    with _moving("fake-powercap", directory, *options) as tree:
        yield tree


@contextmanager
def sensor_tree(directory: Path, *options: str) -> Iterator[Tree]:
    """Other sensors, which move until the block ends; options as `fake-sensors --help` tells."""
    with _moving("fake-sensors", directory, *options) as tree:
        yield tree


@contextmanager
def _moving(fake: str, directory: Path, *options: str) -> Iterator[Tree]:
    binary = built(fake, fake)
    command = [str(binary), "--root", str(directory), "--until-stdin-closes", *options]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        try:
            yield Tree(Path(ready["ready"]), Path(ready["truth"]))
        finally:
            process.stdin.close()
            process.wait(timeout=10)
