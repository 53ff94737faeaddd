"""Every way in which TensorFlow runs a model, through the real daemon: operations lead to the user's own layers."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import smaragdine
from smaragdine.cli import main
from smaragdine.trace.trace import Trace
from testbed.hardware import built

keras = pytest.importorskip("keras")
np = pytest.importorskip("numpy")
tf = pytest.importorskip("tensorflow")
pytestmark = pytest.mark.tensorflow

from smaragdine.keras import EnergyCallback  # noqa: E402
from smaragdine.tensorflow import EnergyHook  # noqa: E402

layers = keras.layers
WINDOWS: Any = {"window": 2, "every": 4}


@pytest.fixture(autouse=True)
def real_daemon(monkeypatch: pytest.MonkeyPatch) -> None:
    binary = os.environ.get("SMARAGDINE_BIN") or str(built("smaragdine-core", "smaragdined"))
    monkeypatch.setenv("SMARAGDINE_BIN", binary)
    monkeypatch.delenv("SMARAGDINE_SOCKET", raising=False)


def mlp(**compile: Any) -> Any:
    """A model within a model, and a layer called twice."""
    twice = layers.Dense(16, activation="gelu", name="twice")
    block = keras.Sequential([layers.Dense(16, name="dense"), layers.LayerNormalization(name="norm")], name="block")
    inputs = keras.Input((16,), name="features")
    net = keras.Model(inputs, layers.Dense(4, name="head")(block(twice(twice(inputs)))), name="net")
    optimizer = keras.optimizers.Adam(name="adam")
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    net.compile(optimizer, loss, metrics=["accuracy"], **compile)
    return net


MLP = {"net/twice", "net/block/dense", "net/block/norm", "net/head"}


def examples(count: int = 320) -> Any:
    random = np.random.default_rng(0)
    return random.random((count, 16), "float32"), random.integers(0, 4, count)


def fit(net: Any, output: Path, data: Any = None) -> Trace:
    callback = EnergyCallback(output, **WINDOWS)
    net.fit(*(data or examples()), batch_size=32, verbose=0, callbacks=[callback])
    assert callback.path is not None
    return Trace.open(callback.path)


def loop(run: Callable[..., Any], output: Path, model: Any) -> Trace:
    features, labels = examples(32)
    with smaragdine.record(output, model=model, **WINDOWS) as recording:
        for _ in range(10):
            with recording.step(samples=32):
                run(features, labels)
    return Trace.open(output)


def column(trace: Trace, query: str) -> set[Any]:
    return {row[0] for row in trace.sql(query).fetchall()}


def check(trace: Trace, expected: set[str], phases: set[str]) -> None:
    """Every layer is seen in every pass under its own path, and whatever ran in a step is somebody's."""
    model = next(iter(expected)).split("/")[0]
    assert sum(step.traced for step in trace.steps) >= 2
    for phase in phases:
        seen = column(trace, f"select layer from ops where phase = '{phase}'")
        assert seen >= expected, phase
    stray = f"layer != '{model}' and not starts_with(layer, '{model}/') and layer != 'loss'"
    ran = "from events join ops using (op) where step is not null"
    assert column(trace, f"select qtn {ran} and phase in ('forward', 'backward') and {stray}") == set()
    assert column(trace, f"select qtn {ran} and layer = 'unknown'") == set()
    assert column(trace, "select count(*) > 0 from edges") == {True}
    assert column(trace, "select count(*) from events join steps using (step) where not traced") == {0}


def compiling(trace: Trace) -> list[int]:
    return [step.step for step in trace.steps if "compilations" in step.metrics]


TRAINING = {"forward", "backward", "optimizer"}


@pytest.mark.parametrize("mode", [{"jit_compile": "auto"}, {"jit_compile": False}, {"steps_per_execution": 2}])
def test_a_compiled_fit(mode: dict[str, Any], tmp_path: Path) -> None:
    trace = fit(mlp(**mode), tmp_path / "out")
    check(trace, MLP, TRAINING)
    assert compiling(trace) == [0]
    head = "select flops from ops where layer = 'net/head' and phase = 'forward' and type = 'MatMul'"
    assert column(trace, head) == {32 * 4 * (2.0 * 16 + 1)}, "a product and a bias"


def test_a_fit_compiled_by_xla_tells_that_its_smaller_last_batch_compiles_anew(tmp_path: Path) -> None:
    trace = fit(mlp(jit_compile=True), tmp_path / "out", examples(300))
    assert column(trace, "select layer from ops where phase = 'forward'") >= MLP
    assert compiling(trace) == [0, 9]


def test_a_model_that_was_trained_before_is_known_as_it_was_traced_and_the_trace_says_so(tmp_path: Path) -> None:
    net = mlp()
    net.fit(*examples(), batch_size=32, verbose=0)
    trace = fit(net, tmp_path / "out")
    check(trace, MLP, TRAINING)
    assert compiling(trace) == []
    assert "compiled before this recording began" in trace.metadata.raw["log"][0]


def test_a_second_fit_knows_the_graph_that_the_first_saw(tmp_path: Path) -> None:
    net = mlp()
    first, second = fit(net, tmp_path / "out"), fit(net, tmp_path / "out")
    assert second.path != first.path
    check(second, MLP, TRAINING)
    assert second.metadata.raw["log"] == []
    names = "select qtn from ops where phase in ('forward', 'backward') and layer != 'unknown'"
    assert column(second, names) == column(first, names)


def test_evaluate_and_predict(tmp_path: Path) -> None:
    net = mlp()
    for run in (net.evaluate, lambda features, labels, **options: net.predict(features, **options)):
        callback = EnergyCallback(tmp_path / "out", **WINDOWS)
        run(*examples(), batch_size=32, verbose=0, callbacks=[callback])
        assert callback.path is not None
        trace = Trace.open(callback.path)
        check(trace, MLP, {"forward"})
        assert column(trace, "select distinct phase from ops") <= {"forward", "other"}


def test_train_on_batch(tmp_path: Path) -> None:
    net = mlp()
    trace = loop(net.train_on_batch, tmp_path / "out", net)
    check(trace, MLP, TRAINING)
    assert compiling(trace) == [0]


def test_a_loop_of_the_users_own(tmp_path: Path) -> None:
    net, optimizer = mlp(), keras.optimizers.SGD(momentum=0.9)
    cross_entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    def gradients(features: Any, labels: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = cross_entropy(labels, net(features, training=True))
        return tape.gradient(loss, net.trainable_variables)

    within = tf.function(gradients)

    @tf.function
    def step(features: Any, labels: Any) -> None:
        optimizer.apply_gradients(zip(within(features, labels), net.trainable_variables, strict=True))

    trace = loop(step, tmp_path / "out", [net, step])
    assert column(trace, "select layer from ops where phase = 'forward'") >= MLP
    assert column(trace, "select layer from ops where phase = 'backward'") >= MLP
    assert column(trace, "select layer from ops where phase = 'optimizer'") >= MLP


def test_loops_over_time_belong_to_their_layer(tmp_path: Path) -> None:
    tokens = keras.Input((12,), dtype="int32", name="tokens")
    hidden = layers.Embedding(50, 8, name="embedding")(tokens)
    hidden = layers.Bidirectional(layers.LSTM(8, return_sequences=True), name="both")(hidden)
    hidden = layers.RNN(layers.GRUCell(8), name="recurrent")(
        layers.TimeDistributed(layers.Dense(8), name="each")(hidden)
    )
    net = keras.Model(tokens, layers.Dense(4, name="head")(hidden), name="net")
    net.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    data = np.random.default_rng(0).integers(0, 50, (320, 12)), examples()[1]
    trace = fit(net, tmp_path / "out", data)
    cells = {"both/forward_lstm/lstm_cell", "both/backward_lstm/lstm_cell", "recurrent/gru_cell"}
    expected = {"embedding", "both/forward_lstm", "both/backward_lstm", "each", "recurrent", "head", *cells}
    check(trace, {f"net/{layer}" for layer in expected}, {"forward", "backward"})


class Block(layers.Layer):  # type: ignore[misc]
    """Holds layers in a list and in a dictionary."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.steps = [layers.Dense(16, name=f"step_{number}") for number in range(2)]
        self.last = {"norm": layers.LayerNormalization(name="norm")}

    def call(self, inputs: Any) -> Any:
        for step in self.steps:
            inputs = inputs + step(inputs)
        return self.last["norm"](inputs)


class Net(keras.Model):  # type: ignore[misc]
    """A model of the user's own, with a model of Keras's within."""

    def __init__(self) -> None:
        super().__init__(name="net")
        self.block = Block(name="block")
        inputs = keras.Input((16,))
        self.inner = keras.Model(inputs, layers.Dense(16, name="dense")(inputs), name="inner")
        self.head = layers.Dense(4, name="head")

    def call(self, inputs: Any) -> Any:
        return self.head(self.inner(self.block(inputs)))


def test_a_subclassed_model(tmp_path: Path) -> None:
    net = Net()
    net.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    trace = fit(net, tmp_path / "out")
    expected = {"block/step_0", "block/step_1", "block/norm", "inner/dense", "head"}
    check(trace, {f"net/{layer}" for layer in expected}, TRAINING)


def test_a_pretrained_backbone_within_a_model(tmp_path: Path) -> None:
    """Its layers were built in a model of their own, and know nothing of the one that holds it now."""
    inputs = keras.Input((16,))
    backbone = keras.Model(inputs, layers.Dense(16, name="deep")(layers.Dense(16, name="low")(inputs)), name="backbone")
    features = keras.Input((16,))
    net = keras.Model(features, layers.Dense(4, name="head")(backbone(features)), name="net")
    net.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    check(fit(net, tmp_path / "out"), {"net/backbone/low", "net/backbone/deep", "net/head"}, TRAINING)


def test_two_models_of_one_loop_keep_their_names(tmp_path: Path) -> None:
    generator = keras.Sequential([keras.Input((16,)), layers.Dense(16, name="dense")], name="generator")
    critic = keras.Sequential([keras.Input((16,)), layers.Dense(1, name="dense")], name="critic")
    optimizer = keras.optimizers.SGD()

    @tf.function
    def step(features: Any, labels: Any) -> None:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(critic(generator(features)))
        variables = generator.trainable_variables + critic.trainable_variables
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))

    trace = loop(step, tmp_path / "out", [generator, critic, step])
    for phase in TRAINING:
        seen = column(trace, f"select layer from ops where phase = '{phase}'")
        assert seen >= {"generator/dense", "critic/dense"}, phase


class Theirs(keras.callbacks.Callback):  # type: ignore[misc]
    """Profiles most of a training, as TensorBoard's `profile_batch` does."""

    def __init__(self, directory: Path) -> None:
        super().__init__()
        self.directory = directory

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        if batch == 1:
            tf.profiler.experimental.start(str(self.directory))

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if batch == 8:
            tf.profiler.experimental.stop()


def test_a_profile_that_another_took_is_taken_in_afterwards(tmp_path: Path) -> None:
    callback = EnergyCallback(tmp_path / "out")
    theirs = Theirs(tmp_path / "logs")
    mlp().fit(*examples(), batch_size=32, verbose=0, callbacks=[theirs, callback])
    before = Trace.open(tmp_path / "out")
    assert not any(step.traced for step in before.steps)
    assert column(before, "select count(*) from events") == {0}
    files = [str(file) for file in theirs.directory.rglob("*.xplane.pb")]
    assert main(["account", str(tmp_path / "out"), "--xspace", *files]) == 0
    after = Trace.open(tmp_path / "out")
    assert {step.step for step in after.steps if step.traced} >= set(range(2, 8))
    for phase in TRAINING:
        assert column(after, f"select layer from ops where phase = '{phase}'") >= MLP, phase
    assert after.footprint().rows


MIRRORED = """
import sys
import numpy as np, tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
import keras
from smaragdine.keras import EnergyCallback
with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
    inputs = keras.Input((16,), name="features")
    hidden = keras.layers.Dense(16, activation="relu", name="hidden")(inputs)
    net = keras.Model(inputs, keras.layers.Dense(4, name="head")(hidden), name="net")
    net.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
features, labels = np.random.random((320, 16)).astype("float32"), np.random.randint(0, 4, 320)
net.fit(features, labels, batch_size=32, verbose=0, callbacks=[EnergyCallback(sys.argv[1], window=2, every=4)])
"""


def test_replicas_of_a_mirrored_strategy_are_one_model(tmp_path: Path) -> None:
    """In a process of its own: logical devices are fixed when TensorFlow starts."""
    command = [sys.executable, "-c", MIRRORED, str(tmp_path / "out")]
    subprocess.run(command, check=True, env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"})
    trace = Trace.open(tmp_path / "out")
    check(trace, {"net/hidden", "net/head"}, TRAINING)
    assert column(trace, "select distinct device from events") == {"CPU:0"}
    updates = "select count(distinct qtn) from ops where layer = 'net/head' and type = 'AssignSubVariableOp'"
    assert column(trace, updates) == {2}, "both replicas update the kernel and the bias"
    head = "select flops from ops where layer = 'net/head' and phase = 'forward' and type = 'MatMul'"
    assert column(trace, head) == {16 * 4 * (2.0 * 16 + 1)}, "each replica has half the batch"


def test_graph_mode(tmp_path: Path) -> None:
    v1 = tf.compat.v1
    hook = EnergyHook(tmp_path / "out", samples=8, **WINDOWS)
    with tf.Graph().as_default():
        with v1.variable_scope("net/dense"):
            kernel = v1.get_variable("kernel", [16, 16])
            hidden = tf.nn.relu(tf.matmul(tf.random.uniform([8, 16]), kernel))
        with v1.variable_scope("net/head"):
            kernel = v1.get_variable("kernel", [16, 1])
            loss = tf.reduce_mean(tf.matmul(hidden, kernel) ** 2)
        train = v1.train.AdamOptimizer().minimize(loss)
        with v1.train.MonitoredTrainingSession(hooks=[hook]) as session:
            for _ in range(10):
                session.run(train)
    trace = Trace.open(tmp_path / "out")
    for phase in ("forward", "backward", "optimizer"):
        assert column(trace, f"select layer from ops where phase = '{phase}'") >= {"net/dense", "net/head"}, phase
    names = {"net/dense/MatMul", "gradients/net/dense/MatMul_grad/MatMul_1"}
    assert column(trace, "select qtn from ops") >= names
    assert compiling(trace) == [0]


def check_eager(trace: Trace) -> None:
    assert column(trace, "select layer from ops where phase = 'forward'") >= MLP
    forward = column(trace, "select layer from events join ops using (op) where phase = 'forward'")
    assert {layer for layer in forward if layer.split("/")[0] not in ("net", "loss")} == set()
    assert column(trace, "select layer from ops where phase = 'backward'") == {*MLP, "loss"} - {"net"}
    assert column(trace, "select layer from ops where phase = 'optimizer'") == {*MLP, "optimizer"}
    # A layer that is called twice has twice the executions.
    calls = "select count(*) from events join ops using (op) where qtn = 'net/{}/MatMul'"
    once, twice = (trace.sql(calls.format(layer)).fetchall()[0][0] for layer in ("head", "twice"))
    assert twice == 2 * once > 0


def test_an_eager_fit(tmp_path: Path) -> None:
    trace = fit(mlp(run_eagerly=True), tmp_path / "out")
    check_eager(trace)
    assert compiling(trace) == []


def test_an_eager_loop_of_the_users_own(tmp_path: Path) -> None:
    net, optimizer = mlp(), keras.optimizers.Adam(name="adam")
    cross_entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    def step(features: Any, labels: Any) -> None:
        with tf.GradientTape() as tape:
            loss = cross_entropy(labels, net(features, training=True))
        gradients = tape.gradient(loss, net.trainable_variables)
        optimizer.apply_gradients(zip(gradients, net.trainable_variables, strict=True))

    check_eager(loop(step, tmp_path / "out", net))
