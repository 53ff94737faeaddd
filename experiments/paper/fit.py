"""Trains BERT in Keras, epoch by epoch on the same examples: python -m experiments.paper.fit SETTING OUTPUT EPOCHS"""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

# TensorFlow reads this when it is imported.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras

from experiments.models.batch import Texts
from experiments.models.keras_bert import arrays, build
from smaragdine.errors import SmaragdineError
from smaragdine.keras import EnergyCallback

from .ending import failed
from .setting import Setting

# Higher than the paper's, whose pre-training goes on from where others' left off: this one begins with random weights.
# Without warming up, as BERT's own training does, a dozen layers learn nothing.
RATE = 3e-4
WARM_UP = 0.1


class Progress(keras.callbacks.Callback):  # type: ignore[misc]
    """A line an epoch."""

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        print(f"epoch {epoch + 1}: {(logs or {}).get('words_accuracy', 0.0):.1%} of words", file=sys.stderr, flush=True)


def main(setting: str, output: str, epochs: str, *data: str) -> int:
    what = Setting.parse(setting)
    size = what.size
    try:
        texts = Texts.load(size, Path(data[0]) if data and data[0] else None)
        # An epoch's examples, which every epoch shows again.
        inputs, labels = arrays(texts.pairs(0, replace(size, batch=what.steps * size.batch)))
        steps = what.steps * int(epochs)
        warm_up = int(WARM_UP * steps)
        rate = keras.optimizers.schedules.CosineDecay(0.0, steps - warm_up, warmup_target=RATE, warmup_steps=warm_up)
        callback = EnergyCallback(output, name="bert", labels={"stage": what.stage, "registers": what.registers})
        build(size, rate=rate).fit(
            inputs, labels, batch_size=size.batch, epochs=int(epochs), verbose=0, callbacks=[callback, Progress()]
        )
        callback.finish()
    except (SmaragdineError, OSError, ValueError) as error:
        return failed(error)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
