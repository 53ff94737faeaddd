"""Scopes of what Keras runs operation by operation: where TensorFlow's profile says that each operation ran."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

keras = pytest.importorskip("keras")
np = pytest.importorskip("numpy")
tf = pytest.importorskip("tensorflow")
pytestmark = pytest.mark.tensorflow

from smaragdine.eager import MARK, Scopes  # noqa: E402

layers = keras.layers


def net(**compile: Any) -> Any:
    block = keras.Sequential([layers.Dense(4, activation="relu", name="dense"), layers.LayerNormalization(name="norm")])
    block.name = "block"
    inputs = keras.Input((4,), name="features")
    net = keras.Model(inputs, layers.Dense(2, name="head")(block(block(inputs))), name="net")
    net.compile(keras.optimizers.Adam(name="mine"), "mse", metrics=["mae"], **compile)
    return net


def train(model: Any) -> Callable[[], Any]:
    return lambda: model.train_on_batch(np.ones((8, 4)), np.ones((8, 2)))


def scopes_of(run: Callable[[], Any], directory: Path) -> dict[str, set[str]]:
    """The types of the operations that ran within each innermost scope; "" holds what ran within none."""
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    scopes = Scopes()
    tf.profiler.experimental.start(str(directory))
    scopes.open()
    try:
        run()
    finally:
        scopes.close()
        tf.profiler.experimental.stop()
    space = xplane_pb2.XSpace()
    space.ParseFromString(next(directory.rglob("*.xplane.pb")).read_bytes())
    found: dict[str, set[str]] = {}
    for plane in space.planes:
        names = {key: metadata.name for key, metadata in plane.event_metadata.items()}
        for line in plane.lines:
            events = [(e.offset_ps, e.offset_ps + e.duration_ps, names[e.metadata_id]) for e in line.events]
            marks = [event for event in events if event[2].startswith(MARK)]
            for start, end, name in events:
                if name.startswith("EagerLocalExecute: "):
                    around = [mark for mark in marks if mark[0] <= start and end <= mark[1]]
                    scope = min(around, key=lambda mark: mark[1] - mark[0])[2] if around else ""
                    found.setdefault(scope.removeprefix(MARK), set()).add(name.removeprefix("EagerLocalExecute: "))
    return found


def test_every_operation_of_an_eager_step_has_the_scope_that_a_compiled_one_would_have(tmp_path: Path) -> None:
    model = net(run_eagerly=True)
    train(model)()
    found = scopes_of(train(model), tmp_path)
    assert {"MatMul", "BiasAdd", "Relu"} <= found["net/block/dense"]
    assert "Rsqrt" in found["net/block/norm"]
    assert "MatMul" in found["net/head"]
    assert "MatMul" in found["gradient_tape"]
    assert "AssignSubVariableOp" in found["optimizer/mine"]
    assert any(scope.startswith("compile_loss") for scope in found)
    assert "metrics/loss" in found
    assert not {"MatMul", "Relu", "Rsqrt", "AssignSubVariableOp"} & found.get("", set())


def test_a_function_that_is_compiled_meanwhile_is_left_as_it_is(tmp_path: Path) -> None:
    model = net()
    found = scopes_of(train(model), tmp_path)
    assert not any(scope.startswith("net/") for scope in found)


def test_nothing_is_left_of_it_once_it_is_closed() -> None:
    watched = [(layers.Layer, "__call__"), (tf.GradientTape, "gradient"), (keras.losses.Loss, "__call__")]
    before = [owner.__dict__[name] for owner, name in watched]
    scopes = Scopes()
    scopes.open()
    assert all(owner.__dict__[name] is not one for (owner, name), one in zip(watched, before, strict=True))
    scopes.close()
    assert all(owner.__dict__[name] is one for (owner, name), one in zip(watched, before, strict=True))


def test_what_another_put_over_it_stays_and_works(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    scopes = Scopes()
    original = layers.Layer.__call__
    scopes.open()
    ours = layers.Layer.__call__

    def theirs(layer: Any, *arguments: Any, **options: Any) -> Any:
        calls.append(layer.name)
        return ours(layer, *arguments, **options)

    # Undone at the end of the test.
    monkeypatch.setattr(layers.Layer, "__call__", theirs)
    scopes.close()
    assert layers.Layer.__call__ is theirs
    assert layers.Dense(2, name="dense")(np.ones((1, 2))).shape == (1, 2)
    assert calls == ["dense"]
    monkeypatch.undo()
    layers.Layer.__call__ = original


def test_a_layer_that_raises_keeps_its_error_and_leaves_its_scope() -> None:
    def fails(inputs: Any) -> Any:
        raise ValueError("bad data")

    scopes = Scopes()
    scopes.open()
    try:
        with pytest.raises(ValueError, match="bad data"):
            layers.Lambda(fails, name="fails")(np.ones((1, 2)))
        assert scopes.current == ""
    finally:
        scopes.close()
