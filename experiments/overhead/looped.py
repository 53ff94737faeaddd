"""A loop of the program's own under `smaragdine.record`: its costs, and the table of several."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import smaragdine

from .costs import costs
from .meter import Meter
from .run import Cell, environment, table
from .turns import Turns
from .windows import watch_windows

# A step, and what `record` is told of the model.
Subject = tuple[Callable[[], object], dict[str, Any]]


def train(make: Callable[[], Subject], output: Path, watch: Meter | Turns) -> Path:
    """Trains until the watch says that it is over; returns the trace."""
    run, told = make()
    recorded, held = smaragdine.record(output, **told), []
    watch.start(lambda: held.append(recorded.__enter__()))
    recording: Any = held[0]
    watch_windows(recording._training._windows, watch)
    begun: list[Any] = []

    def begin() -> None:
        begun.append(recording.step())
        begun[0].__enter__()

    for number in count():
        watch.before(begin, recording._training.pause)
        if watch.over:
            # What begins here is none: it is left without having ended.
            break
        run()
        # None where the watch left it out.
        if begun:
            watch.after(partial(begun.pop().__exit__, None, None, None), number, waited_for=True)
    watch.end(lambda: recorded.__exit__(None, None, None))
    return recording.path or output


def cell(make: Callable[[], Subject], minutes: str, pairs: str, block_s: str) -> None:
    """Measures one training and prints one JSON object."""
    with tempfile.TemporaryDirectory(prefix="smaragdine-overhead-") as directory:
        print(json.dumps(costs(partial(train, make), float(minutes), int(pairs), float(block_s), Path(directory))))


def measured(module: str, model: str, minutes: float, blocks: int, block_s: float) -> Cell:
    """One cell, in a process of its own. Raises `RuntimeError` with the end of what it said where it failed."""
    command = [sys.executable, "-m", module, model, str(minutes), str(blocks), str(block_s)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment(), check=False)
    if done.returncode or not done.stdout:
        raise RuntimeError(f"{model} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    return {"model": model, "how": "record", **json.loads(done.stdout.splitlines()[-1])}


def run(about: str, module: str, known: Sequence[str], *, minutes: float, blocks: int) -> int:
    """Prints the table that the command line asks for; `minutes` and `blocks` where it does not say."""
    parser = argparse.ArgumentParser(description=about.partition(";")[0])
    parser.add_argument("--models", default=",".join(known), help="of: %(default)s")
    parser.add_argument(
        "--minutes", type=float, default=minutes, help="length of each run at the defaults (default: %(default)g)"
    )
    parser.add_argument(
        "--blocks", type=int, default=blocks, help="pairs of blocks, one on and one off (default: %(default)s)"
    )
    parser.add_argument("--block-seconds", type=float, default=1.5, help="length of a block (default: 1.5)")
    options = parser.parse_args()
    models = options.models.split(",")
    if unknown := [name for name in models if name not in known]:
        parser.error(f"there is no {', '.join(unknown)}; choose of {', '.join(known)}")
    if options.blocks < 2 or options.block_seconds <= 0 or options.minutes <= 0:
        parser.error("a ratio needs two pairs of blocks, a block some seconds, a run some minutes")
    lengths = (options.minutes, options.blocks, options.block_seconds)
    try:
        print(table([measured(module, model, *lengths) for model in models]))
    except RuntimeError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(
        f"{options.minutes:g} minutes at the defaults, then {options.blocks} pairs of blocks of about "
        f"{options.block_seconds:g} s; {os.cpu_count()} CPUs, other load not controlled"
    )
    return 0
