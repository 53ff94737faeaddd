"""What a step computes by itself: penalties, updates of its own, parts of a loss; and how its optimizer runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

keras = pytest.importorskip("keras")
tf = pytest.importorskip("tensorflow")
pytestmark = [pytest.mark.tensorflow, pytest.mark.usefixtures("real_daemon")]

from trained import MODES, PASSES, WORDS, check, examples, fit, loop, part, real_daemon  # noqa: E402, F401

layers = keras.layers
NET = {"net/encoder/a", "net/encoder/b", "net/decoder/a"}


class Net(keras.Model):  # type: ignore[misc]
    """Calls its parts."""

    def __init__(self) -> None:
        super().__init__(name="net")
        self.encoder, self.decoder = part("encoder", 16, "a", "b"), part("decoder", 16, "a")

    def loss_of(self, data: Any) -> Any:
        return tf.reduce_mean((self.decoder(self.encoder(data)) - data) ** 2)

    def train_step(self, data: Any) -> Any:
        data, *_ = keras.utils.unpack_x_y_sample_weight(data)
        with tf.GradientTape() as tape:
            loss = self.loss_of(data)
        self.optimizer.apply(tape.gradient(loss, self.trainable_variables), self.trainable_variables)
        return {"loss": loss}


class Penalised(Net):
    """Uses variables of its layers in the loss: one as another layer's, and all for a penalty on their size."""

    def loss_of(self, data: Any) -> Any:
        loss = super().loss_of(tf.matmul(data, self.decoder.layers[0].kernel, transpose_b=True))
        return loss + 1e-3 * tf.add_n([tf.nn.l2_loss(variable) for variable in self.trainable_variables])


@pytest.mark.parametrize("mode", ["graph", "xla"])
def test_a_loss_that_uses_variables_of_layers_is_no_work_of_the_optimizer(mode: str, tmp_path: Path) -> None:
    trace = fit(Penalised(), tmp_path / "out", **MODES[mode])
    check(trace, NET)
    kinds = "select distinct phase, layer from ops where raw_name not like '%/%/%' and type = '{}'"
    assert ("forward", "loss") in trace.sql(kinds.format("L2Loss")).fetchall()
    for kind in ("L2Loss", "MatMul"):
        rows = trace.sql(kinds.format(kind)).fetchall()
        assert not {layer for _, layer in rows} & {"optimizer", "unknown"}, kind


class Taught(Net):
    """Moves weights by itself: its own by their gradients, and a teacher's after a student's."""

    def __init__(self) -> None:
        super().__init__()
        self.teacher = part("teacher", 16, "a", "b")
        self.teacher.trainable = False

    def train_step(self, data: Any) -> Any:
        with tf.GradientTape() as tape:
            # A tape watches variables that Keras built as trained: it would take the teacher's gradients in vain.
            taught = tf.stop_gradient(self.teacher(data))
            loss = self.loss_of(data) + tf.reduce_mean((self.encoder(data) - taught) ** 2)
        variables = self.trainable_variables
        for variable, gradient in zip(variables, tape.gradient(loss, variables), strict=True):
            variable.assign_sub(0.01 * gradient)
        for follower, leader in zip(self.teacher.variables, self.encoder.variables, strict=True):
            follower.assign(0.99 * follower + 0.01 * leader)
        return {"loss": loss}


@pytest.mark.parametrize("mode", ["graph", "xla", "eager"])
def test_updates_that_a_step_makes_itself_serve_the_layers_whose_variables_they_are(mode: str, tmp_path: Path) -> None:
    trace = fit(Taught(), tmp_path / "out", **MODES[mode])
    seen = {
        phase: {layer for (layer,) in trace.sql(f"select distinct layer from ops where phase = '{phase}'").fetchall()}
        for phase in PASSES
    }
    assert seen["optimizer"] - WORDS == NET | {"net/teacher/a", "net/teacher/b"}
    assert seen["backward"] - WORDS - {"net"} == NET
    updates = "select qtn from ops where phase = 'optimizer' and layer like 'net/%'"
    assert trace.sql(f"{updates} and not starts_with(qtn, 'optimizer/net/')").fetchall() == []


@pytest.mark.parametrize("mode", ["graph", "xla"])
@pytest.mark.parametrize("options", [{"name": "gradients"}, {"gradient_accumulation_steps": 2}], ids=str)
def test_an_optimizer_serves_layers_whatever_it_is_called_and_in_branches(
    options: dict[str, Any], mode: str, tmp_path: Path
) -> None:
    check(fit(Net(), tmp_path / "out", optimizer=keras.optimizers.Adam(**options), **MODES[mode]), NET)


def test_a_function_that_xla_compiled_is_no_operation_beside_those_that_it_runs(tmp_path: Path) -> None:
    net, data = Net(), tf.constant(examples()[:16])
    net.compile("adam", jit_compile=True)
    step = tf.function(net.train_step, jit_compile=True)
    ways: dict[str, tuple[Any, Callable[[], Any]]] = {
        "function": (step, lambda: step(data)),
        "batch": (net, lambda: net.train_on_batch(examples()[:16])),
    }
    for way, (model, run) in ways.items():
        trace = loop(run, tmp_path / way, model)
        check(trace, NET)
        assert trace.sql("select raw_name from ops where raw_name like '%inference%'").fetchall() == [], way
