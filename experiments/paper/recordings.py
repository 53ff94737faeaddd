"""Recorded runs of a setting: those that are there are kept, those that are missing are recorded."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import smaragdine
from smaragdine.errors import NotMeasuredError, SmaragdineError

from .setting import WAVEFORM, Setting

ROOT = Path(__file__).resolve().parents[2]

# Power that varies within a reading's period as well as from step to step, and has nothing to do with either.
POWER = ("--package", "sine:100:60:0.11", "--dram", "constant:10")


def complete(path: Path) -> bool:
    """Whether a recording there came to its end."""
    try:
        return bool(json.loads((path / "trace.json").read_text()).get("state") == "complete")
    except (OSError, ValueError):
        return False


def recorded(setting: Setting, folder: Path, runs: int, data: tuple[Path | None, Path | None]) -> list[Path]:
    """The traces of so many runs. `data`: the user's own texts and sentences.

    Raises `SmaragdineError` where a run failed; those before it are kept.
    """
    paths = [folder / str(run) for run in range(runs)]
    if not all(map(complete, paths)):
        with environment(setting) as variables:
            call("experiments.paper.train", setting.json(), folder, runs, *(path or "" for path in data), **variables)
    return paths


def call(module: str, *arguments: object, **variables: str) -> None:
    """Runs a module in a process of its own: its memory is given back, its failure is its own."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    command = [sys.executable, "-m", module, *map(str, arguments)]
    code = subprocess.run(command, env={**os.environ, "PYTHONPATH": path, **variables}, check=False).returncode
    if code:
        raise SmaragdineError(f"{module} ended with exit code {code}", "its own message stands above")


@contextmanager
def environment(setting: Setting) -> Iterator[dict[str, str]]:
    """The variables with which the setting's registers are read."""
    if setting.registers != WAVEFORM:
        yield {}
        return
    from testbed.hardware import powercap_tree

    memory = Path("/dev/shm")  # noqa: S108  registers that disks delay would be late
    with (
        tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as directory,
        powercap_tree(Path(directory) / "tree", *POWER) as tree,
    ):
        yield {"SMARAGDINE_POWERCAP_ROOT": str(tree.root)}


@cache
def has_sensor() -> bool:
    """Whether energy can be measured here."""
    with tempfile.TemporaryDirectory() as directory:
        try:
            with smaragdine.record(Path(directory) / "trial", require_measured=True):
                return True
        except NotMeasuredError:
            return False
