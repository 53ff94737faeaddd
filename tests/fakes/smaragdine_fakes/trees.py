"""Trees of files that a command lays out and moves until a block ends."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from smaragdine_fakes.truth import Truth
from smaragdine_fakes.where import command


class Tree:
    """A tree whose registers move."""

    def __init__(self, root: Path, truth: Path) -> None:
        #: Where to read: `…/class/powercap` of a powercap tree, what stands for `/sys` of other sensors.
        self.root = root
        self._truth = truth
        self._read: Truth | None = None

    @property
    def truth(self) -> Truth:
        """What its registers drew up to now."""
        if self._read is None:
            self._read = Truth(self._truth)
        self._read.read_on()
        return self._read

    @property
    def age_s(self) -> float:
        """Seconds since its waveforms began."""
        with self._truth.open() as rows:
            return time.monotonic() - float(json.loads(rows.readline())["monotonic_ns"]) * 1e-9


class Proc:
    """A `/proc` whose processes use CPU time."""

    def __init__(self, root: Path) -> None:
        self.root = root


@contextmanager
def powercap_tree(directory: Path, *options: str, program: Path | None = None) -> Iterator[Tree]:
    """A powercap tree below `directory` that moves until the block ends.

    Args:
        options: as `fake-powercap --help` tells.
        program: the command, where it is not the installed one.

    Raises:
        ValueError: there is something wrong with an option; what, the command has said.
        FakeMissingError: the command is not installed.
    """
    with _told(program or command("fake-powercap"), directory, *options) as ready:
        yield Tree(Path(ready["ready"]), Path(ready["truth"]))


@contextmanager
def sensor_tree(directory: Path, *options: str, program: Path | None = None) -> Iterator[Tree]:
    """Other sensors below `directory`, which move until the block ends; options as `fake-sensors --help` tells.

    Raises:
        ValueError: there is something wrong with an option; what, the command has said.
        FakeMissingError: the command is not installed.
    """
    with _told(program or command("fake-sensors"), directory, *options) as ready:
        yield Tree(Path(ready["ready"]), Path(ready["truth"]))


@contextmanager
def proc_tree(directory: Path, *options: str, program: Path | None = None) -> Iterator[Proc]:
    """A `/proc` of several sockets below `directory`, until the block ends; options as `fake-proc --help` tells.

    Raises:
        ValueError: there is something wrong with an option; what, the command has said.
        FakeMissingError: the command is not installed.
    """
    with _told(program or command("fake-proc"), directory, *options) as ready:
        yield Proc(Path(ready["ready"]))


@contextmanager
def _told(program: Path, directory: Path, *options: str) -> Iterator[dict[str, Any]]:
    # It ends with its standard input, so also when this process is killed.
    line = [str(program), "--root", str(directory), "--until-stdin-closes", *options]
    with subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        ready = process.stdout.readline()
        if not ready:
            raise ValueError(f"{program.name} ended with {process.wait(timeout=10)}: {' '.join(line[1:])}")
        try:
            yield json.loads(ready)
        finally:
            process.stdin.close()
            process.wait(timeout=10)
