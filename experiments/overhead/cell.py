"""Measures one model under the callback or the hook and prints one JSON object.

python -m experiments.overhead.cell MODEL HOW MINUTES PAIRS BLOCK_S
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

# TensorFlow reads this when it is imported; what it logs about each profile would bury the result.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import tensorflow as tf

from .costs import costs
from .meter import Meter
from .subjects import SUBJECTS, Subject
from .turns import Turns
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

    return costs(partial(train, SUBJECTS[model]), minutes, pairs, block_s, directory)


def main(model: str, how: str, minutes: str, pairs: str, block_s: str) -> None:
    with tempfile.TemporaryDirectory(prefix="smaragdine-overhead-") as directory:
        print(json.dumps(measure(model, how, float(minutes), int(pairs), float(block_s), Path(directory))))


if __name__ == "__main__":
    main(*sys.argv[1:])
