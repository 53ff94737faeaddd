"""Keras 3 on PyTorch: `fit` with the callback, and a loop of the program's own."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from smaragdine.trace.trace import Trace

PACKAGE = Path(__file__).parents[2] / "python"

# A process of its own: which backend Keras runs on is decided when it is imported.
PROGRAM = """
import sys
import numpy as np
import keras
import smaragdine
from keras import layers
from smaragdine.keras import EnergyCallback

keras.utils.set_random_seed(0)

class Block(layers.Layer):
    def __init__(self, width, **options):
        super().__init__(**options)
        self.up = layers.Dense(4 * width, activation="gelu", name="up")
        self.down = layers.Dense(width, name="down")
        self.norm = layers.LayerNormalization(name="norm")

    def call(self, hidden):
        return self.norm(hidden + self.down(self.up(hidden)))

entry = keras.Input((64,))
hidden = entry
for number in range(2):
    hidden = Block(64, name=f"block_{number}")(hidden)
model = keras.Model(entry, layers.Dense(10, name="head")(hidden), name="net")
model.compile(keras.optimizers.Adam(), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
x, y = np.random.rand(512, 64).astype("float32"), np.random.randint(0, 10, 512)
output, how = sys.argv[1:]
if how == "fit":
    model.fit(x, y, batch_size=64, epochs=2, verbose=0, callbacks=[EnergyCallback(output, window=2, every=3)])
else:
    with smaragdine.record(output, model=model, window=2, every=3) as recording:
        for _ in range(10):
            with recording.step(samples=64):
                model.train_on_batch(x[:64], y[:64])
import torch
assert "__call__" not in vars(keras.layers.Layer) or torch.nn.Module.__call__.__name__ != "smaragdine_call"
assert "apply" not in vars(keras.optimizers.Optimizer)
"""


TIME = (
    "select layer, phase, sum(end_ns - start_ns) from events join ops using (op) where kind = 'compute' group by 1, 2"
)


@pytest.mark.usefixtures("registers")
@pytest.mark.parametrize("how", ["fit", "loop"])
def test_layers_of_keras_have_their_own_names_on_pytorch(tmp_path: Path, how: str) -> None:
    if importlib.util.find_spec("keras") is None:
        pytest.skip("Keras is not installed")
    program, output = tmp_path / "program.py", tmp_path / "out"
    program.write_text(PROGRAM)
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE), "KERAS_BACKEND": "torch", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, program, output, how], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "not broken down" not in done.stderr
    trace = Trace.open(output)
    rows = trace.sql(TIME).fetchall()
    layers = {layer for layer, phase, _ in rows if phase == "forward"}
    assert {"net/block_0/up", "net/block_1/down", "net/block_1/norm", "net/head", "loss"} <= layers, layers
    assert {"net/block_0/up", "net/head"} <= {layer for layer, phase, _ in rows if phase == "backward"}
    assert ("optimizer", "optimizer") in {(layer, phase) for layer, phase, _ in rows}
    whole = sum(ns for *_, ns in rows)
    unknown = sum(ns for layer, _, ns in rows if layer == "unknown")
    assert unknown < 0.1 * whole, json.dumps(rows)
    names = {name for (name,) in trace.sql("select distinct qtn from ops").fetchall()}
    assert any(name.startswith("optimizer/Adam/") for name in names), names
