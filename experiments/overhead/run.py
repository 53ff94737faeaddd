"""Prints how much EnergyCallback slows down the demo's training: its own cost, and a paired on/off ratio."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import platform
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from slowdown import OwnCost, PairedRatio, alternating, own_cost, paired_ratio

from smaragdine import Trace
from smaragdine.demo.corpus import Corpus
from smaragdine.demo.shape import Shape

# TensorFlow reads this when it is imported; what it logs about each profile would bury the result.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from smaragdine.keras import EnergyCallback

BATCH = 8
# The first step compiles, a few more warm caches up: neither belongs to any block or sum.
WARM_UP = 5
# Steps of one epoch where the length is given in minutes.
EPOCH = 500


class Timed(EnergyCallback):
    """The callback at its defaults, with what it takes before each step on the training thread written down."""

    def __init__(self, output: Path, minutes: float) -> None:
        super().__init__(output)
        self.own_s: list[float] = []
        self._minutes = minutes
        self._ends_s = float("inf")

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        before = time.perf_counter()
        super().on_train_batch_begin(batch, logs)
        now = time.perf_counter()
        self.own_s.append(now - before)
        if len(self.own_s) == WARM_UP:
            self._ends_s = now + 60 * self._minutes
        if now > self._ends_s:
            self.model.stop_training = True


class Interleaved(EnergyCallback):
    """The callback switched on and off from block to block, its daemon stopped while it is off."""

    def __init__(self, output: Path, order: list[bool], steps: int) -> None:
        super().__init__(output)
        self.block_s: list[float] = []
        self._order = order
        self._steps = steps
        self._on = True
        self._on_for = [True] * WARM_UP + [on for on in order for _ in range(steps)]
        self._began = 0.0
        self._off_s = 0.0

    def on_train_begin(self, logs: Any = None) -> None:
        super().on_train_begin(logs)
        # Windows open by their cost in elapsed training: time in which the callback is off must not pay for them.
        windows = self._training._windows  # type: ignore[union-attr]
        windows._now = lambda: time.monotonic() - self._off_s

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        block, step = divmod(batch - WARM_UP, self._steps)
        if block >= 0 and step == 0:
            self._turn(block)
        if self._on:
            super().on_train_batch_begin(batch, logs)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        # Keras calls this from another thread and later: the block is the batch's, not the present one.
        if batch < len(self._on_for) and self._on_for[batch]:
            super().on_train_batch_end(batch, logs)

    def _turn(self, block: int) -> None:
        """The last block ends, with the window that it opened; the next one begins."""
        if self._on:
            super().on_epoch_end(0)
        if block:
            self.block_s.append(time.perf_counter() - self._began)
            if not self._on:
                self._off_s += self.block_s[-1]
        done = block >= len(self._order)
        on = done or self._order[block]
        if on != self._on:
            self._on = on
            for daemon in _daemons():
                os.kill(daemon, signal.SIGCONT if on else signal.SIGSTOP)
        if done:
            self.model.stop_training = True
        self._began = time.perf_counter()


def _daemons() -> Iterator[int]:
    """The daemons that this process started."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, _, fields = stat.read_text().partition("(")[2].rpartition(")")
        except OSError:
            continue
        if name == "smaragdined" and int(fields.split()[1]) == os.getpid():
            yield int(stat.parent.name)


def training(steps: int) -> tuple[Any, dict[str, Any]]:
    """The demo's model, and the arguments of `fit` for so many steps an epoch."""
    from smaragdine.demo.model import build

    shape = Shape()
    inputs, labels = Corpus.load(shape.vocabulary).arrays(
        steps, batch=BATCH, sequence=shape.sequence, predictions=shape.predictions
    )
    return build(shape), {"x": inputs, "y": labels, "batch_size": BATCH, "shuffle": False, "verbose": 0}


def measure_own(output: Path, minutes: float) -> OwnCost:
    """Trains at the callback's defaults for so long."""
    model, data = training(EPOCH)
    callback = Timed(output, minutes)
    model.fit(**data, epochs=1_000_000, callbacks=[callback])
    trace = callback.finish() or output
    rows = Trace.open(trace).sql("select (end_ns - start_ns) / 1e9, traced from steps order by step").fetchall()
    counted = rows[WARM_UP : len(callback.own_s)]
    return own_cost([row[0] for row in counted], [row[1] for row in counted], callback.own_s[WARM_UP:][: len(counted)])


def measure_ratio(output: Path, pairs: int, steps: int) -> PairedRatio:
    """Trains with the callback on and off in turn."""
    order = alternating(pairs)
    callback = Interleaved(output, order, steps)
    model, data = training(WARM_UP + len(order) * steps + 1)
    try:
        model.fit(**data, epochs=1, callbacks=[callback])
    finally:
        for daemon in _daemons():
            os.kill(daemon, signal.SIGCONT)
    callback.finish()
    on_s = [seconds for seconds, on in zip(callback.block_s, order, strict=True) if on]
    off_s = [seconds for seconds, on in zip(callback.block_s, order, strict=True) if not on]
    return paired_ratio(on_s, off_s)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=2.0, help="length of the run at the defaults (default: 2)")
    parser.add_argument("--blocks", type=int, default=40, help="pairs of blocks, one on and one off (default: 40)")
    parser.add_argument("--steps-per-block", type=int, default=10, help="training steps of a block (default: 10)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    if options.blocks < 2 or options.steps_per_block < 1 or options.minutes <= 0:
        parser.error("a ratio needs two pairs of blocks, a block one step, a run some minutes")

    with tempfile.TemporaryDirectory(prefix="smaragdine-overhead-") as directory:
        own = measure_own(Path(directory) / "own", options.minutes)
        ratio = measure_ratio(Path(directory) / "ratio", options.blocks, options.steps_per_block)

    if options.json:
        machine = {"cpus": os.cpu_count(), "machine": platform.machine(), "python": platform.python_version()}
        own_figures = {**dataclasses.asdict(own), "fraction": own.fraction, "traced_share": own.traced_share}
        print(json.dumps({"own": own_figures, "paired": dataclasses.asdict(ratio), **machine}, indent=2))
        return 0
    print(
        f"own cost at the defaults: {own.fraction:.2%} of {own.step_s:.0f} s of steps "
        f"(goal: at most 1 %)\n"
        f"  on the training thread {own.own_s:.3f} s, excess of traced steps {own.excess_s:+.3f} s\n"
        f"  traced {own.traced} of {own.steps} steps, {own.traced_share:.1%} (goal: at least 2 % in ten minutes)\n"
        f"paired on/off ratio: {ratio.ratio:.3f}, 95 % interval {ratio.low:.3f} … {ratio.high:.3f}, "
        f"{ratio.pairs} pairs of {options.steps_per_block} steps (goal: includes a value of at most 1.01)\n"
        f"  median of the pairs' ratios {ratio.median:.3f}; {os.cpu_count()} CPUs, other load not controlled"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
