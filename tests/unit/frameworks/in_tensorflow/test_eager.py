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

from smaragdine.frameworks.tensorflow.eager import MARK, Scopes  # noqa: E402
from smaragdine.frameworks.tensorflow.program import Program  # noqa: E402

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


def scopes_of(run: Callable[[], Any], directory: Path, model: Any = None) -> dict[str, set[str]]:
    """The types of the operations that ran within each innermost scope; "" holds what ran within none."""
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    scopes = Scopes(Program(model) if model is not None else None)
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
    found = scopes_of(train(model), tmp_path, model)
    assert {"MatMul", "BiasAdd", "Relu"} <= found["net/block/dense"]
    assert "Rsqrt" in found["net/block/norm"]
    assert "MatMul" in found["net/head"]
    assert {"MatMul", "BiasAddGrad", "ReluGrad"} <= found[":gradients/net/block/dense"]
    assert "RsqrtGrad" in found[":gradients/net/block/norm"]
    assert {"MatMul", "BiasAddGrad"} <= found[":gradients/net/head"]
    # The block is called twice, and so has a sum of gradients.
    assert "AddN" in found[":gradients/net/block/dense"]
    for variable in ("net/block/dense/kernel", "net/block/norm/gamma", "net/head/bias"):
        assert "AssignSubVariableOp" in found[f":update/{variable}"]
    assert "AssignVariableOp" in found[":optimizer/mine"], "it counts its steps"
    assert any(scope.startswith(":loss/") for scope in found)
    assert any(scope.startswith(":gradients/:loss/") for scope in found)
    assert ":metrics/loss" in found
    assert not {"MatMul", "Relu", "Rsqrt", "AssignSubVariableOp", "BiasAddGrad"} & found.get("", set())


class Twist(layers.Layer):  # type: ignore[misc]
    """Computes its gradient itself."""

    def call(self, inputs: Any) -> Any:
        @tf.custom_gradient  # type: ignore[untyped-decorator]
        def twisted(value: Any) -> Any:
            return tf.sinh(value), lambda gradient: gradient * tf.cosh(value)

        return twisted(inputs)


def test_gradients_lead_to_the_layer_whose_operation_they_are_of(tmp_path: Path) -> None:
    """Operations whose gradients need neither inputs nor outputs, sums, branches and gradients of a layer's own."""
    inputs = keras.Input((6, 4))
    first = layers.Dense(4, name="first")(inputs)
    added = layers.Add(name="added")([Twist(name="twist")(first), first])
    shifted = layers.Activation("relu", name="rectified")(layers.Dense(4, name="second")(added))
    attended = layers.MultiHeadAttention(1, 4, name="attention")(shifted, added)
    model = keras.Model(
        inputs, layers.Dense(2, name="head")(layers.GlobalMaxPooling1D(name="pool")(attended)), name="net"
    )
    model.compile("sgd", "mse", run_eagerly=True)

    def run() -> Any:
        return model.train_on_batch(np.ones((8, 6, 4)), np.ones((8, 2)))

    run()
    found = scopes_of(run, tmp_path, model)
    gradients = {scope.removeprefix(":gradients/net/"): kinds for scope, kinds in found.items() if "gradients" in scope}
    for layer in ("first", "second", "head", "attention/query", "attention/value", "attention/attention_output"):
        assert {"MatMul", "BiasAddGrad", "BatchMatMulV2", "Einsum"} & gradients[layer], layer
    assert {"BiasAddGrad"} <= gradients["first"] & gradients["second"] & gradients["head"]
    assert "Cosh" in gradients["twist"]
    assert "ReluGrad" in gradients["rectified"]
    everywhere = [layer for layer, kinds in gradients.items() if "Cosh" in kinds or "ReluGrad" in kinds]
    assert sorted(everywhere) == ["rectified", "twist"]


def test_the_gradient_of_a_gradient_is_of_the_same_layer(tmp_path: Path) -> None:
    critic = keras.Sequential([keras.Input((4,)), layers.Dense(8, "tanh", name="dense"), layers.Dense(1, name="out")])
    critic.name = "critic"
    values = tf.ones((8, 4))

    def penalty() -> Any:
        with tf.GradientTape() as outer:
            with tf.GradientTape() as inner:
                inner.watch(values)
                score = critic(values)
            slope = inner.gradient(score, values)
            loss = tf.reduce_sum(slope**2)
        return outer.gradient(loss, critic.trainable_variables)

    penalty()
    found = scopes_of(penalty, tmp_path, critic)
    assert {"TanhGrad", "MatMul"} <= found[":gradients/critic/dense"]
    assert "MatMul" in found[":gradients/critic/out"]


def test_parts_that_a_program_calls_itself_have_the_paths_that_they_have_in_the_model(tmp_path: Path) -> None:
    shared = layers.Dense(4, name="shared")
    encoder = keras.Sequential([keras.Input((4,)), layers.Dense(4, name="dense"), shared], name="encoder")
    decoder = keras.Sequential([keras.Input((4,)), layers.Dense(4, name="dense"), shared], name="decoder")
    model = keras.Sequential([encoder, decoder], name="pair")
    optimizer = keras.optimizers.SGD(name="mine")

    def step() -> None:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(decoder(encoder(tf.ones((8, 4)))) ** 2)
        optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)

    step()
    found = scopes_of(step, tmp_path, [model, step])
    for layer in ("pair/encoder/dense", "pair/encoder/shared", "pair/decoder/dense"):
        assert "MatMul" in found[layer]
        assert "MatMul" in found[f":gradients/{layer}"]
        assert "AssignSubVariableOp" in found[f":update/{layer}/kernel"]
    assert "pair/decoder/shared" not in found


def test_a_function_that_is_compiled_meanwhile_is_left_as_it_is(tmp_path: Path) -> None:
    model = net()
    found = scopes_of(train(model), tmp_path)
    assert not any(scope.startswith("net/") for scope in found)


def test_nothing_is_left_of_it_once_it_is_closed() -> None:
    from tensorflow.python.eager import record

    watched = [(layers.Layer, "__call__"), (tf.GradientTape, "gradient"), (keras.losses.Loss, "__call__")]
    watched += [(keras.optimizers.SGD, "update_step"), (record, "record_operation")]
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
