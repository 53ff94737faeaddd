"""Measures one model under the callback or the hook and prints one JSON object.

python -m experiments.overhead.cell MODEL HOW MINUTES PAIRS BLOCK_S
"""

from __future__ import annotations

import dataclasses
import json
import os
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

# TensorFlow reads this when it is imported; what it logs about each profile would bury the result.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import tensorflow as tf

from smaragdine import Trace

from .meter import WARM_UP, Meter
from .slowdown import alternating, own_cost, paired_ratio
from .subjects import SUBJECTS, Subject
from .turns import Turns, awaken
from .watched import Callback, Hook

v1: Any = tf.compat.v1


def by_callback(subject: Subject, output: Path, watch: Meter | Turns) -> Path:
    training = subject.fit()
    callback = Callback(output, watch)
    # One epoch that never ends: an epoch's end closes the window that is open.
    training.model.fit(training.data, epochs=1, steps_per_epoch=sys.maxsize, verbose=0, callbacks=[callback])
    return callback.finish() or output


def by_hook(subject: Subject, output: Path, watch: Meter | Turns) -> Path:
    with tf.Graph().as_default():
        training = subject.session()
        hook = Hook(output, watch)
        with v1.train.MonitoredTrainingSession(hooks=[hook]) as session:
            while not session.should_stop():
                session.run(training.fetches, next(training.feeds))
    return hook.finish() or output


def measure(model: str, how: str, minutes: float, pairs: int, block_s: float, directory: Path) -> dict[str, Any]:
    """The costs at the defaults of a training of so long, then the ratio over blocks of about so many seconds."""
    if how == "hook":
        # Keras builds a model into a session's graph only so.
        v1.disable_eager_execution()
    train = by_callback if how == "callback" else by_hook

    meter = Meter(minutes)
    trace = Trace.open(train(SUBJECTS[model], directory / "own", meter))
    counted = trace.steps[WARM_UP : len(meter.own_s)]
    step_s = [step.duration_s for step in counted]
    offset_ns = trace.metadata.raw["realtime_offset_ns"]
    stops = [(start_ns + offset_ns, end_ns + offset_ns) for start_ns, end_ns in meter.stops_ns]
    stopping = [any(step.start_ns < end and start < step.end_ns for start, end in stops) for step in counted]
    own_s = meter.own_s[WARM_UP : WARM_UP + len(counted)]
    own = own_cost(step_s, [step.traced for step in counted], own_s, stopping)
    cpu = meter.cpu_time()

    order = alternating(pairs)
    turns = Turns(order, max(1, round(block_s / statistics.median(step_s))))
    try:
        train(SUBJECTS[model], directory / "turns", turns)
    finally:
        awaken()
    on_s, off_s = ([s for s, on in zip(turns.block_s, order, strict=True) if on is wanted] for wanted in (True, False))
    ratio = paired_ratio(on_s, off_s)
    return {
        "step_ms": 1e3 * statistics.median(step_s),
        "own": {**dataclasses.asdict(own), "fraction": own.fraction, "traced_share": own.traced_share},
        "paired": {**dataclasses.asdict(ratio), "steps_per_block": turns.steps},
        "cpu": {**dataclasses.asdict(cpu), "client_20s_s": cpu.client_s(20)},
    }


def main(model: str, how: str, minutes: str, pairs: str, block_s: str) -> None:
    with tempfile.TemporaryDirectory(prefix="smaragdine-overhead-") as directory:
        print(json.dumps(measure(model, how, float(minutes), int(pairs), float(block_s), Path(directory))))


if __name__ == "__main__":
    main(*sys.argv[1:])
