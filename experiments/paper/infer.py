"""Records predictions of a network of keras.applications, with random weights, of one image again and again.

python -m experiments.paper.infer NETWORK PIXELS ROUNDS OUTPUT: parameters and FLOPs are labels of the trace.
"""

from __future__ import annotations

import os
import sys

# TensorFlow reads this when it is imported.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from smaragdine.errors import SmaragdineError
from smaragdine.keras import EnergyCallback

from .ending import failed

v1: Any = tf.compat.v1

# Two windows: time and energy are those of the predictions beside them, which no profiler slows.
WINDOW = 2


def flops(model: Any, side: int) -> int:
    """Of one prediction, as TensorFlow's registry counts them: an addition and a multiplication are two."""
    image = tf.TensorSpec((1, side, side, 3))
    predict = tf.function(lambda image: model(image, training=False)).get_concrete_function(image)
    options = {**v1.profiler.ProfileOptionBuilder.float_operation(), "output": "none"}
    return int(v1.profiler.profile(predict.graph, options=options).total_float_ops)


def main(network: str, pixels: str, rounds: str, output: str) -> int:
    keras.utils.set_random_seed(0)
    side = int(pixels)
    model = getattr(keras.applications, network)(weights=None, input_shape=(side, side, 3))
    images = np.repeat(np.random.default_rng(0).random((1, side, side, 3), dtype=np.float32), int(rounds), axis=0)
    try:
        callback = EnergyCallback(
            output,
            window=WINDOW,
            every=max(int(rounds) // 2, WINDOW),
            name=network,
            labels={"parameters": str(model.count_params()), "flops": str(flops(model, side))},
        )
        model.predict(images, batch_size=1, verbose=0, callbacks=[callback])
        callback.finish()
    except SmaragdineError as error:
        return failed(error)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
