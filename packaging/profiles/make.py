"""Makes the example profiles that the page `what if` ships: six small trainings on this machine, by Keras.

    python packaging/profiles/make.py [NAME…]

What sensors read here is what they tell; where none is readable, power is modelled from CPU use, and they say so. The
data are random: what is looked at is energy, not what a model learns.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np

import smaragdine
from smaragdine.keras import EnergyCallback
from smaragdine.what_if import Profile

EPOCHS = 6
OUT = Path(__file__).parents[2] / "python" / "smaragdine" / "what_if" / "examples"
# Layers are told where they are fewer than this: a profile is to stay small.
_MOST_ROWS = 700


def _bert(layers: int, hidden: int) -> tuple[Any, Any, Any, int]:
    from smaragdine.demo.corpus import Corpus
    from smaragdine.demo.model import build
    from smaragdine.demo.shape import Shape

    shape = Shape(layers=layers, hidden=hidden)
    inputs, labels = Corpus.load(shape.vocabulary).arrays(
        30, batch=8, sequence=shape.sequence, predictions=shape.predictions
    )
    return build(shape), inputs, labels, 8


def _compiled(model: Any, classes: int, shape: tuple[int, ...], steps: int, batch: int) -> tuple[Any, Any, Any, int]:
    random = np.random.default_rng(0)
    model.compile("adam", "sparse_categorical_crossentropy")
    x = random.normal(size=(steps * batch, *shape)).astype("float32")
    return model, x, random.integers(0, classes, steps * batch), batch


def _mobile() -> tuple[Any, Any, Any, int]:
    model = keras.applications.MobileNetV2((96, 96, 3), alpha=0.35, weights=None, classes=10)
    return _compiled(model, 10, (96, 96, 3), 15, 8)


def _convolutions() -> tuple[Any, Any, Any, int]:
    layers = keras.layers
    blocks = [
        layer
        for n, width in enumerate((32, 64, 128))
        for layer in (layers.Conv2D(width, 3, activation="relu", padding="same", name=f"conv_{n}"),
                      layers.MaxPooling2D(name=f"pool_{n}"))
    ]  # fmt: skip
    model = keras.Sequential(
        [layers.Input((32, 32, 3)), *blocks, layers.Flatten(), layers.Dense(10, activation="softmax")], name="cnn"
    )
    return _compiled(model, 10, (32, 32, 3), 40, 32)


def _recurrent() -> tuple[Any, Any, Any, int]:
    layers = keras.layers
    model = keras.Sequential(
        [layers.Input((64, 32)), layers.LSTM(96, return_sequences=True, name="lstm_0"), layers.LSTM(96, name="lstm_1"),
         layers.Dense(8, activation="softmax")], name="lstm",
    )  # fmt: skip
    return _compiled(model, 8, (64, 32), 30, 16)


def _dense() -> tuple[Any, Any, Any, int]:
    layers = keras.layers
    hidden = [layers.Dense(512, activation="relu", name=f"hidden_{n}") for n in range(4)]
    model = keras.Sequential([layers.Input((256,)), *hidden, layers.Dense(10, activation="softmax")], name="mlp")
    return _compiled(model, 10, (256,), 120, 64)


TRAININGS: dict[str, tuple[str, Callable[[], tuple[Any, Any, Any, int]]]] = {
    "bert-2": ("BERT, 2 layers of 128", lambda: _bert(2, 128)),
    "bert-4": ("BERT, 4 layers of 128", lambda: _bert(4, 128)),
    "cnn": ("Three convolutions", _convolutions),
    "lstm": ("Two LSTMs", _recurrent),
    "mlp": ("Four dense layers", _dense),
    "mobilenet": ("MobileNetV2, small", _mobile),
}


def make(name: str) -> Path:
    """One training, to its profile."""
    title, build = TRAININGS[name]
    keras.utils.set_random_seed(0)
    model, x, y, batch = build()
    folder = Path(tempfile.mkdtemp())
    try:
        callback = EnergyCallback(folder / name, window=3, every=20, name=title)
        model.fit(x, y, batch_size=batch, epochs=EPOCHS, verbose=0, callbacks=[callback])
        path = callback.finish()
        assert path is not None, "the training was not recorded"
        profile = Profile.of(smaragdine.Trace.open(path), "epoch")
    finally:
        shutil.rmtree(folder)
    content = profile.to_json() | {"source": "packaging/profiles/make.py"}
    if profile.layers is None or len(profile.layers.rows) > _MOST_ROWS:
        content["layers"] = None
    OUT.mkdir(parents=True, exist_ok=True)
    written = Profile.parse(json.dumps(content))
    written.write(OUT / f"{name}.json")
    return OUT / f"{name}.json"


if __name__ == "__main__":
    for wanted in sys.argv[1:] or TRAININGS:
        print(make(wanted))
