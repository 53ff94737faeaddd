"""Programs that call parts of a model and never the model: GANs, autoencoders, distillers; and layers of any name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from smaragdine.trace.trace import Trace

keras = pytest.importorskip("keras")
np = pytest.importorskip("numpy")
tf = pytest.importorskip("tensorflow")
pytestmark = [pytest.mark.tensorflow, pytest.mark.usefixtures("real_daemon")]

from smaragdine.tensorflow import EnergyHook  # noqa: E402
from trained import MODES, PASSES, WINDOWS, WORDS, check, examples, fit, loop, part, real_daemon  # noqa: E402, F401

layers = keras.layers


class Kit(keras.Model):  # type: ignore[misc]
    """Parts in a list and a dictionary, called by the step; the numbers of their names and their layers' collide."""

    def __init__(self) -> None:
        super().__init__(name="kit")
        shared = layers.Dense(16, name="shared")
        inner = keras.Sequential([keras.Input((16,)), shared], name="decoder")
        features = keras.Input((16,))
        first = keras.Model(
            features, layers.Dense(16, name="dense_1")(layers.Dense(16, name="dense")(features)), name="a"
        )
        self.parts = [first, part("decoder", 16, "dense_1", "dense"), part("decoder_1", 16, "dense", "dense_1_1")]
        self.others = {
            "one": keras.Sequential([keras.Input((16,)), inner, shared], name="one"),
            "deep": [part("b", 16, "c")],
        }

    def train_step(self, data: Any) -> Any:
        with tf.GradientTape() as tape:
            hidden = data
            for number in (0, 2, 1):
                hidden = self.parts[number](hidden, training=True)
            with tf.name_scope("other_pass"):
                hidden = self.others["one"](hidden)
            # The layers of a part, not the part.
            for layer in self.others["deep"][0].layers:
                hidden = layer(hidden)
            loss = tf.reduce_mean((hidden - data) ** 2)
        variables = self.trainable_variables
        self.optimizer.apply(tape.gradient(loss, variables), variables)
        return {"loss": loss}


KIT = {
    "kit/a/dense", "kit/a/dense_1", "kit/decoder/dense_1", "kit/decoder/dense", "kit/decoder_1/dense",
    "kit/decoder_1/dense_1_1", "kit/one/decoder/shared", "kit/b/c",
}  # fmt: skip


@pytest.mark.parametrize("mode", MODES)
def test_parts_in_lists_and_dictionaries_with_colliding_names(mode: str, tmp_path: Path) -> None:
    trace = fit(Kit(), tmp_path / "out", **MODES[mode])
    check(trace, KIT)
    assert trace.metadata.raw["model"]["shared"] == {"one/shared": "one/decoder/shared"}


def test_parts_that_were_trained_before_the_recording_began(tmp_path: Path) -> None:
    kit = Kit()
    kit.compile("adam")
    kit.fit(examples(), batch_size=16, verbose=0)
    check(fit(kit, tmp_path / "out"), KIT)


class Gan(keras.Model):  # type: ignore[misc]
    """Two parts without names of the user's, an optimizer each, and a teacher that the model does not hold."""

    def __init__(self) -> None:
        super().__init__(name="gan")
        self.generator = keras.Sequential([keras.Input((16,)), layers.Dense(16, activation="silu"), layers.Dense(16)])
        self.critic = keras.Sequential([keras.Input((16,)), layers.Dense(16, activation="relu"), layers.Dense(1)])

    def compile(self, *arguments: Any, **options: Any) -> None:
        super().compile(*arguments, **options)
        self.optimizers = {"generator": keras.optimizers.Adam(name="mine"), "critic": keras.optimizers.RMSprop()}

    def update(self, part: str, tape: Any, loss: Any) -> None:
        variables = getattr(self, part).trainable_variables
        self.optimizers[part].apply(tape.gradient(loss, variables), variables)

    def train_step(self, data: Any) -> Any:
        noise = tf.random.normal(tf.shape(data))
        with tf.GradientTape() as tape:
            judged = self.critic(tf.concat([self.generator(noise), data], 0))
            loss = tf.reduce_mean(tf.nn.relu(1 - judged))
        self.update("critic", tape, loss)
        with tf.GradientTape() as tape:
            made = self.generator(noise)
            loss = tf.reduce_mean((TEACHER(made) - made) ** 2) - tf.reduce_mean(self.critic(made))
        self.update("generator", tape, loss)
        return {"loss": loss}


TEACHER = part("teacher", 16, "fixed")
TEACHER.trainable = False


@pytest.mark.parametrize("mode", ["graph", "xla", "eager"])
def test_parts_with_an_optimizer_each_and_a_teacher_of_the_program(mode: str, tmp_path: Path) -> None:
    gan = Gan()
    trained = {f"gan/{one.name}/{layer.name}" for one in (gan.generator, gan.critic) for layer in one.layers}
    trace = fit(gan, tmp_path / "out", **MODES[mode])
    query = "select distinct layer from ops where phase = 'forward' and starts_with(layer, 'teacher/')"
    assert trace.sql(query).fetchall() == [("teacher/fixed",)]
    # What the teacher's gradient takes goes on to the generator.
    updated = trace.sql("select distinct layer from ops where phase = 'optimizer'").fetchall()
    assert {layer for (layer,) in updated} - WORDS == trained
    for phase in PASSES[:2]:
        rows = trace.sql(f"select distinct layer from ops where phase = '{phase}'").fetchall()
        assert {layer for (layer,) in rows} - WORDS - {"gan"} == trained | {"teacher/fixed"}, phase


def steps(jit_compile: bool | None = None) -> tuple[Any, Any, Callable[[], None]]:
    """Two models, and a program with a compiled function and an optimizer for each."""
    generator, critic = part("generator", 16, "dense", "dense_1"), part("critic", 1, "dense", "dense_1")
    optimizers = keras.optimizers.Adam(), keras.optimizers.Adam()
    data = tf.constant(examples()[:16])

    def update(optimizer: Any, model: Any, loss: Callable[[], Any]) -> Any:
        with tf.GradientTape() as tape:
            value = loss()
        optimizer.apply(tape.gradient(value, model.trainable_variables), model.trainable_variables)
        return value

    @tf.function(jit_compile=jit_compile)
    def judge() -> Any:
        return update(optimizers[0], critic, lambda: tf.reduce_mean((critic(data) - critic(generator(data))) ** 2))

    @tf.function(jit_compile=jit_compile)
    def make() -> Any:
        return update(optimizers[1], generator, lambda: tf.reduce_mean(critic(generator(data)) ** 2))

    def both() -> None:
        judge()
        make()

    return generator, critic, both


BOTH = {"generator/dense", "generator/dense_1", "critic/dense", "critic/dense_1"}


@pytest.mark.parametrize("jit_compile", [None, True])
@pytest.mark.parametrize("told", ["models", "dictionary", "function"])
def test_functions_of_the_users_own_are_found_where_only_models_are_told(
    told: str, jit_compile: bool | None, tmp_path: Path
) -> None:
    generator, critic, both = steps(jit_compile)
    model = {"models": [critic, generator], "dictionary": {"g": generator, "c": critic}, "function": both}[told]
    check(loop(both, tmp_path / "out", model), BOTH)


class Trainer:
    def __init__(self) -> None:
        self.encoder, self.decoder = part("encoder", 8, "dense"), keras.Sequential([layers.Dense(16, name="dense")])
        self.decoder.name = "decoder"
        self.optimizer = keras.optimizers.SGD(momentum=0.9)
        self.data = tf.constant(examples()[:16])

    @tf.function  # type: ignore[untyped-decorator]
    def compiled(self) -> None:
        self.eager()

    def eager(self) -> None:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((self.decoder(self.encoder(self.data)) - self.data) ** 2)
        variables = self.encoder.trainable_variables + self.decoder.trainable_variables
        self.optimizer.apply(tape.gradient(loss, variables), variables)


@pytest.mark.parametrize("way", ["compiled", "eager"])
def test_a_trainer_that_is_no_model_holds_what_it_trains(way: str, tmp_path: Path) -> None:
    trainer = Trainer()
    run = getattr(trainer, way)
    check(loop(run, tmp_path / "out", run), {"encoder/dense", "decoder/dense"})


NAMES = (
    "gradients", "gradient_tape", "optimizer", "loss", "while", "body", "cond", "metrics", "data", "runtime", "unknown",
    "Adam", "adam", "StatefulPartitionedCall", "PartitionedCall", "compile_loss", "mean_squared_error", "replica",
    "update_0", "ArithmeticOptimizer", "gradients_1", "model",
)  # fmt: skip


def chain(model: str, names: tuple[str, ...]) -> Any:
    inputs = hidden = keras.Input((16,))
    for name in names:
        hidden = layers.Dense(16, activation="relu", name=name)(hidden)
    return keras.Model(inputs, hidden, name=model)


@pytest.mark.parametrize("mode", ["graph", "xla", "eager"])
def test_layers_that_are_called_as_words_of_keras_tensorflow_and_ours(mode: str, tmp_path: Path) -> None:
    trace = fit(chain("net", NAMES), tmp_path / "out", examples(), loss="mse", **MODES[mode])
    check(trace, {f"net/{name}" for name in NAMES})


class Chain(keras.Model):  # type: ignore[misc]
    """Calls each of its layers itself."""

    def __init__(self, names: tuple[str, ...]) -> None:
        super().__init__(name="net")
        self.parts = [layers.Dense(16, activation="relu", name=name) for name in names]

    def train_step(self, data: Any) -> Any:
        with tf.GradientTape() as tape:
            hidden = data
            for layer in self.parts:
                hidden = layer(hidden)
            loss = keras.losses.MeanSquaredError()(data, hidden)
        variables = self.trainable_variables
        self.optimizer.apply(tape.gradient(loss, variables), variables)
        return {"loss": loss}


@pytest.mark.parametrize("mode", ["graph", "eager"])
def test_parts_that_are_called_as_such_words(mode: str, tmp_path: Path) -> None:
    trace = fit(Chain(NAMES), tmp_path / "out", **MODES[mode])
    check(trace, {f"net/{name}" for name in NAMES})
    losses = trace.sql("select count(*) from ops where layer = 'loss' and phase = 'forward'").fetchall()
    assert losses[0][0] > 0, "the loss of the same name is one still"


@pytest.mark.parametrize(
    ("name", "mode"),
    [("optimizer", "graph"), ("optimizer", "eager"), ("loss", "graph"), ("gradients", "graph"), ("while", "graph")],
)
def test_a_model_that_is_called_as_such_a_word(name: str, mode: str, tmp_path: Path) -> None:
    trace = fit(chain(name, ("first", name, "adam")), tmp_path / "out", examples(), loss="mse", **MODES[mode])
    check(trace, {f"{name}/first", f"{name}/{name}", f"{name}/adam"})
    ours = trace.sql("select distinct layer, phase from ops where layer = 'optimizer'").fetchall()
    assert ours == [("optimizer", "optimizer")], "the word alone means what it always does"


def test_outputs_in_a_dictionary_make_no_layers_of_the_operations_that_cast_labels(tmp_path: Path) -> None:
    inputs = keras.Input((16,))
    hidden = layers.Dense(16, name="gradients")(inputs)
    heads = {"age": layers.Dense(1, name="age")(hidden), "sex": layers.Dense(2, "softmax", name="sex")(hidden)}
    losses = {"age": "mse", "sex": "sparse_categorical_crossentropy"}
    targets = {"age": examples()[:, :1], "sex": np.zeros(256, "int64")}
    model = keras.Model(inputs, heads, name="net")
    trace = fit(model, tmp_path / "out", targets, loss=losses, metrics={"age": ["mae"], "sex": ["accuracy"]})
    check(trace, {"net/age", "net/sex", "net/gradients"})
    ran = "from events join ops using (op) where step is not null"
    assert trace.sql(f"select distinct qtn {ran} and layer = 'unknown'").fetchall() == []


def test_scopes_of_a_session_that_are_called_as_such_words(tmp_path: Path) -> None:
    v1, names = tf.compat.v1, ("gradients", "while", "optimizer", "loss", "Adam")
    with tf.Graph().as_default():
        hidden = tf.random.uniform([8, 16])
        for name in names:
            with v1.variable_scope(f"net/{name}"):
                hidden = tf.nn.relu(tf.matmul(hidden, v1.get_variable("kernel", [16, 16])))
        train = v1.train.AdamOptimizer().minimize(tf.reduce_mean(hidden**2))
        with v1.train.MonitoredTrainingSession(hooks=[EnergyHook(tmp_path / "out", **WINDOWS)]) as session:
            for _ in range(10):
                session.run(train)
    trace = Trace.open(tmp_path / "out")
    for phase, kind in (("forward", "MatMul"), ("backward", "ReluGrad"), ("optimizer", "ResourceApplyAdam")):
        rows = trace.sql(f"select layer from ops where phase = '{phase}' and type = '{kind}'").fetchall()
        assert {layer for (layer,) in rows} == {f"net/{name}" for name in names}, phase
