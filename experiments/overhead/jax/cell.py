"""Measures one training under `record` and prints one JSON object.

python -m experiments.overhead.jax.cell MODEL MINUTES PAIRS BLOCK_S
"""

from __future__ import annotations

import json
import sys
import tempfile
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import smaragdine
from experiments.overhead.costs import costs
from experiments.overhead.meter import Meter
from experiments.overhead.turns import Turns
from experiments.overhead.windows import watch_windows

from .subjects import SUBJECTS


def train(model: str, output: Path, watch: Meter | Turns) -> Path:
    """Trains until the watch says that it is over; returns the trace."""
    run = SUBJECTS[model]()
    recorded, held = smaragdine.record(output), []
    watch.start(lambda: held.append(recorded.__enter__()))
    recording: Any = held[0]
    watch_windows(recording._training._windows, watch)
    for number in count():
        step = recording.step()
        watch.before(step.__enter__, recording._training.pause)
        if watch.over:
            # What begins here is none: it is left without having ended.
            break
        run()
        watch.after(partial(step.__exit__, None, None, None), number, waited_for=True)
    watch.end(lambda: recorded.__exit__(None, None, None))
    return recording.path or output


def main(model: str, minutes: str, pairs: str, block_s: str) -> None:
    with tempfile.TemporaryDirectory(prefix="smaragdine-overhead-") as directory:
        found = costs(partial(train, model), float(minutes), int(pairs), float(block_s), Path(directory))
        print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
