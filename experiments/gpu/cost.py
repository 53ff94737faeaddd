"""What a recording costs a training: python -m experiments.gpu.cost TRACE PAIRS BLOCK_S; prints the ratio as JSON.

Blocks with and without it alternate in one training; in those without, its daemon is stopped.
"""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import sys
import time
from typing import Any

import torch

from experiments.gpu.gpt import synchronise, training
from experiments.overhead.meter import daemons
from experiments.overhead.slowdown import alternating, paired_ratio
from smaragdine import Recording
from smaragdine.training.window import Windows

WARM_UP_STEPS = 12


def main(output: str, pairs: int, block_s: float) -> None:
    model, _, step = training()
    for _ in range(WARM_UP_STEPS):
        step()
    synchronise()
    began_s = time.perf_counter()
    for _ in range(5):
        step()
    synchronise()
    steps = max(2, round(block_s / ((time.perf_counter() - began_s) / 5)))
    off_s = [0.0]
    recording = Recording.start(output, software={"torch": torch.__version__})
    # Time in which it was off must not pay for windows.
    windows = Windows(now=lambda: time.monotonic() - off_s[0])
    life = recording.trace(windows, model)
    try:
        blocks = _blocks(recording, life.pause, step, steps, pairs, off_s)
    finally:
        for daemon in daemons():
            os.kill(daemon, signal.SIGCONT)
        recording.finish()
    on = [seconds for is_on, seconds in blocks if is_on]
    off = [seconds for is_on, seconds in blocks if not is_on]
    result = {
        **dataclasses.asdict(paired_ratio(on, off)),
        "steps_a_block": steps,
        "step_ms": 1e3 * sum(off) / (len(off) * steps),
        "told_cost": windows.spent_s / sum(on),
    }
    print(json.dumps(result))


def _blocks(
    recording: Recording, pause: Any, step: Any, steps: int, pairs: int, off_s: list[float]
) -> list[tuple[bool, float]]:
    # The first steps of a recording set it up.
    for _ in range(WARM_UP_STEPS):
        with recording.step():
            step()
    blocks = []
    for is_on in alternating(pairs):
        for daemon in daemons():
            os.kill(daemon, signal.SIGCONT if is_on else signal.SIGSTOP)
        synchronise()
        began_s = time.perf_counter()
        for _ in range(steps):
            if is_on:
                with recording.step():
                    step()
            else:
                step()
        if is_on:
            pause()
        synchronise()
        blocks.append((is_on, time.perf_counter() - began_s))
        off_s[0] += 0.0 if is_on else blocks[-1][1]
    return blocks


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))
