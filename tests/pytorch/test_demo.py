"""The demo's BERT in PyTorch is the one in Keras: the same layers, so that both can be compared."""

from __future__ import annotations

import json
from pathlib import Path

import torch

from smaragdine.demo.shape import Shape
from smaragdine.demo.torch_bert import Bert, train
from smaragdine.frameworks.torch.paths import paths
from smaragdine.trace.trace import Trace

KERAS = Path(__file__).parents[1] / "fixtures" / "tensorflow" / "2.21" / "keras.model.json"
SHAPE = Shape(layers=2, hidden=32, heads=2, sequence=16, vocabulary=64, predictions=4)


def test_its_layers_have_the_paths_that_keras_gives_them() -> None:
    keras = json.loads(KERAS.read_text())
    told = {path for _, path in paths([Bert(SHAPE)])}
    assert told == {keras["name"], *(f"{keras['name']}/{path}" for path in keras["layer_paths"])}


def test_it_trains_and_tells_of_each_of_these_layers(tmp_path: Path) -> None:
    inputs = {"tokens": torch.randint(0, 64, (24, 16)).numpy(), "positions": torch.randint(0, 16, (24, 4)).numpy()}
    labels = torch.randint(0, 64, (24, 4)).numpy()
    seen: list[int] = []
    path = train(tmp_path / "out", SHAPE, inputs, labels, batch=4, window=2, every=2, progress=seen.append)
    assert seen == [0, 1, 2, 3, 4, 5]
    assert path is not None
    trace = Trace.open(path)
    layers = {layer for (layer,) in trace.sql("select layer from ops where phase = 'forward'").fetchall()}
    assert {f"bert/encoder/layer_1/attention/self/{part}" for part in ("query", "key", "value")} <= layers
    assert "bert/cls/predictions/transform/LayerNorm" in layers
    assert trace.sql("select count(*) from steps where metrics['loss'] > 0").fetchall() == [(6,)]
