"""Records what TensorFlow's profiler says of larger trainings: the profiles are too large to lie in the tree.

python -m experiments.speed.recorded FOLDER MODEL…
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

MODELS = ("bert", "mobilenetv2")
# Compiling is no part of what a window holds.
WARM_UP, TRACED = 5, 100


def record(model: str, folder: Path, traced: int = TRACED) -> Path:
    """The profile of so many steps, as `MODEL.xplane.pb`."""
    import keras
    import tensorflow as tf

    from experiments.overhead.subjects import SUBJECTS

    class Window(keras.callbacks.Callback):  # type: ignore[misc]
        def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
            if batch == WARM_UP:
                tf.profiler.experimental.start(directory)

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            if batch == WARM_UP + traced - 1:
                tf.profiler.experimental.stop()

    training = SUBJECTS[model].fit()
    with tempfile.TemporaryDirectory(prefix="smaragdine-speed-") as directory:
        steps = WARM_UP + traced
        training.model.fit(training.data, epochs=1, steps_per_epoch=steps, verbose=0, callbacks=[Window()])
        (written,) = Path(directory).glob("**/*.xplane.pb")
        return Path(shutil.copyfile(written, folder / f"{model}.xplane.pb"))


if __name__ == "__main__":
    for name in sys.argv[2:]:
        record(name, Path(sys.argv[1]))
