"""Hardware that this machine lacks: the kit of tests/fakes with what cargo builds, started as a user would."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent
# Nothing needs to be installed, and an installed kit is not what is tested here.
sys.path.insert(0, str(ROOT / "tests" / "fakes"))

import smaragdine_fakes as kit  # noqa: E402
from smaragdine_fakes import Gpus, Tree, Truth, fake_gpus  # noqa: E402

__all__ = ["built", "powercap_tree", "sensor_tree", "proc_tree", "fake_gpus", "Gpus", "Tree", "Truth"]


@cache
def built(package: str, artefact: str) -> Path:
    """The path of a workspace member's artefact, built if need be."""
    command = ["cargo", "build", "--quiet", "--message-format=json", "--package", package]
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    messages = [json.loads(line) for line in done.stdout.splitlines()]
    files = [Path(name) for message in messages for name in message.get("filenames", [])]
    return next(path for path in files if path.name == artefact)


@contextmanager
def powercap_tree(directory: Path, *options: str) -> Iterator[Tree]:
    """A powercap tree that moves until the block ends; options as `fake-powercap --help` tells."""
    with kit.powercap_tree(directory, *options, program=built("fake-powercap", "fake-powercap")) as tree:
        yield tree


@contextmanager
def sensor_tree(directory: Path, *options: str) -> Iterator[Tree]:
    """Other sensors, which move until the block ends; options as `fake-sensors --help` tells."""
    with kit.sensor_tree(directory, *options, program=built("fake-sensors", "fake-sensors")) as tree:
        yield tree


@contextmanager
def proc_tree(directory: Path, *options: str) -> Iterator[Path]:
    """A /proc of several sockets until the block ends; options as `fake-proc --help` tells."""
    with kit.proc_tree(directory, *options, program=built("fake-proc", "fake-proc")) as proc:
        yield proc.root
