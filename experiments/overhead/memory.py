"""Prints the memory of a training and of its daemon over many steps: the MLP with the callback, and without it.

.venv/bin/python -m experiments.overhead.memory [--steps 10000]
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

# Rows of the table.
_ROWS = 10


def anonymous_mib(pid: int | str) -> float:
    """Memory that belongs to a process and to no file."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("RssAnon:")[2].split()[0]) / 1024


def train(steps: int, recorded: bool) -> list[tuple[int, float, float | None]]:
    """Steps done, MiB of the training, MiB of the daemon."""
    import keras

    from smaragdine.keras import EnergyCallback

    from .meter import daemons
    from .subjects import SUBJECTS

    seen: list[tuple[int, float, float | None]] = []

    class Weigh(keras.callbacks.Callback):  # type: ignore[misc]
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            if (batch + 1) % max(1, steps // _ROWS) == 0:
                daemon = next((anonymous_mib(pid) for pid in daemons()), None)
                seen.append((batch + 1, anonymous_mib("self"), daemon))

    subject = SUBJECTS["mlp"].fit()
    with tempfile.TemporaryDirectory(prefix="smaragdine-memory-") as directory:
        energy = [EnergyCallback(Path(directory) / "out")] if recorded else []
        subject.model.fit(subject.data, epochs=1, steps_per_epoch=steps, verbose=0, callbacks=[*energy, Weigh()])
    return seen


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--steps", type=int, default=10_000, metavar="N", help="default: 10,000")
    steps = parser.parse_args().steps
    # Each in a fresh process, for memory that was once taken is rarely given back.
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        without, recorded = pool.starmap(train, [(steps, False), (steps, True)], chunksize=1)
    print("  steps  without  with callback   daemon")
    for (step, alone, _), (_, with_callback, daemon) in zip(without, recorded, strict=True):
        of_daemon = "–" if daemon is None else f"{daemon:.1f} MiB"
        print(f"{step:>7,} {alone:>5.0f} MiB {with_callback:>10.0f} MiB {of_daemon:>9}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
