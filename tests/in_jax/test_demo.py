"""The demo's BERT in Flax is the one in Keras: the same layers, which `smaragdine compare` lists side by side."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path, PurePosixPath
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from smaragdine.cli import main
from smaragdine.demo.flax import Bert
from smaragdine.demo.shape import Shape
from smaragdine.trace.trace import Trace

KERAS = Path(__file__).parents[1] / "fixtures" / "tensorflow" / "2.21" / "keras.model.json"
SHAPE = Shape(layers=2, hidden=32, heads=2, sequence=16, vocabulary=64, predictions=4)
NOBODYS = ("data", "loss", "metrics", "optimizer", "runtime", "unknown")


def test_its_layers_have_the_paths_that_keras_gives_them() -> None:
    keras, called = json.loads(KERAS.read_text()), set()

    def note(next_function: Any, arguments: Any, keywords: Any, context: Any) -> Any:
        called.add("/".join(("bert", *context.module.path)))
        return next_function(*arguments, **keywords)

    with nn.intercept_methods(note):
        Bert(SHAPE, name="bert").init(
            jax.random.key(0), jnp.zeros((1, SHAPE.sequence), jnp.int32), jnp.zeros((1, SHAPE.predictions), jnp.int32)
        )
    assert called == {keras["name"], *(f"{keras['name']}/{path}" for path in keras["layer_paths"])}


def demo(framework: str, output: Path) -> Path:
    """Trains in the environment that has the framework: JAX in this one, TensorFlow in that of the first on PATH."""
    command = [sys.executable, "-c", "import sys; from smaragdine.cli import main; sys.exit(main())"]
    if framework == "tensorflow":
        command = ["smaragdine"]
    asked = ["demo", "--framework", framework, "--steps", "12", "-o", str(output)]
    environment = {name: value for name, value in os.environ.items() if name != "KERAS_BACKEND"}
    subprocess.run([*command, *asked], check=True, stdout=subprocess.DEVNULL, env=environment)
    return output


def test_compare_lists_it_beside_tensorflows_layer_by_layer(tmp_path: Path, capsys: Any) -> None:
    paths = [demo(framework, tmp_path / framework) for framework in ("jax", "tensorflow")]
    own = [
        {layer for (layer,) in Trace.open(path).sql("select distinct layer from ops").fetchall()} - set(NOBODYS)
        for path in paths
    ]
    # What a layer does beside those within it may be merged into them.
    outer = [layers | {str(outer) for layer in layers for outer in PurePosixPath(layer).parents} for layers in own]
    assert outer[0] == outer[1]
    capsys.readouterr()
    assert main(["compare", *map(str, paths), "--format", "json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)["rows"]}
    for number in range(4):
        for part in ("attention/self/query", "attention/output/dense", "intermediate/dense", "output/LayerNorm"):
            row = rows[f"bert/encoder/layer_{number}/{part}"]
            assert row["energy_a_j"] and row["energy_b_j"], row
