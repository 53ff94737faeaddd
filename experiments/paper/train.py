"""Records runs of one setting: python -m experiments.paper.train SETTING OUTPUT RUNS [PRETRAIN_DATA [COLA]]

SETTING is the JSON of `Setting`; runs that are missing in OUTPUT (0, 1 …) are recorded, one after the other.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from pathlib import Path
from typing import Any

# TensorFlow reads this when it is imported.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import tensorflow as tf

from experiments.models.batch import Texts
from experiments.models.session import build
from smaragdine.errors import SmaragdineError
from smaragdine.tensorflow import EnergyHook

from .ending import failed
from .recordings import complete
from .setting import Setting

v1: Any = tf.compat.v1

# The first step compiles, the second shows the graph that it executes.
WARM_UP = 2
# All later steps are traced; a window's events are sent when it closes, so it must not grow with the training.
WINDOW = 10


def train(setting: Setting, texts: Texts, output: Path) -> None:
    size = setting.size
    with tf.Graph().as_default():
        program = build(setting.model, setting.stage, size)
        hook = EnergyHook(
            output,
            period=f"{setting.period_ms}ms",
            window=WINDOW,
            every=WINDOW,
            labels={"stage": setting.stage, "registers": setting.registers},
            samples=size.batch,
        )
        batch = texts.pairs if setting.stage == "pretrain" else texts.classified
        with v1.train.MonitoredTrainingSession(hooks=[hook]) as session:
            for number in range(WARM_UP + setting.steps):
                session.run(program.fetches, program.feed(batch(number, size)))
                tell(output, number + 1 - WARM_UP, setting.steps)


def tell(output: Path, done: int, steps: int) -> None:
    """At each tenth of a long run, for it takes minutes."""
    if steps >= 100 and done > 0 and done % (steps // 10) == 0:
        print(f"{output.parent.name} run {output.name}: {done} of {steps} steps", file=sys.stderr, flush=True)


def main(setting: str, output: str, runs: str, *data: str) -> int:
    what, folder = Setting.parse(setting), Path(output)
    try:
        texts = Texts.load(what.size, *(Path(name) if name else None for name in data))
        for run in range(int(runs)):
            path = folder / str(run)
            if complete(path):
                continue
            shutil.rmtree(path, ignore_errors=True)
            began = time.monotonic()
            train(what, texts, path)
            print(f"{folder.name} run {run}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    except (SmaragdineError, OSError, ValueError) as error:
        return failed(error)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
