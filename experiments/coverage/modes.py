"""The ways to run a model, each recorded into a trace."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

import smaragdine
from smaragdine.demo.corpus import Corpus
from smaragdine.demo.graph import build as bert_graph
from smaragdine.demo.shape import Shape
from smaragdine.frameworks.tensorflow.graph import layer_paths
from smaragdine.keras import EnergyCallback
from smaragdine.tensorflow import EnergyHook

from .models import BATCH, Data, Subject

# The first two steps compile and warm up; two windows follow.
STEPS = 8
WINDOW: dict[str, Any] = {"window": 2, "every": 3}

v1: Any = tf.compat.v1


@dataclass(frozen=True)
class Recorded:
    """A trace, and the layers that the recorded model says it has, the model's own scope among them."""

    trace: Path
    layers: frozenset[str]


def own_layers(model: Any) -> frozenset[str]:
    name = str(model.name)
    return frozenset({name, *(f"{name}/{path}" for path in layer_paths(model))})


def compiled(subject: Subject, **options: Any) -> Any:
    model = subject.build()
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"], **options)
    return model


def fit(**options: Any) -> Callable[[Subject, Path], Recorded]:
    def run(subject: Subject, output: Path) -> Recorded:
        return fitted(compiled(subject, **options), subject.data(STEPS * options.get("steps_per_execution", 1)), output)

    return run


def fitted(model: Any, data: Data, output: Path) -> Recorded:
    callback = EnergyCallback(output, **WINDOW)
    model.fit(data.examples, data.targets, batch_size=BATCH, verbose=0, callbacks=[callback])
    return Recorded(callback.path or output, own_layers(model))


def evaluate(subject: Subject, output: Path) -> Recorded:
    model, data = compiled(subject), subject.data(STEPS)
    callback = EnergyCallback(output, **WINDOW)
    model.evaluate(data.examples, data.targets, batch_size=BATCH, verbose=0, callbacks=[callback])
    return Recorded(callback.path or output, own_layers(model))


def predict(subject: Subject, output: Path) -> Recorded:
    model = subject.build()
    callback = EnergyCallback(output, **WINDOW)
    model.predict(subject.data(STEPS).examples, batch_size=BATCH, verbose=0, callbacks=[callback])
    return Recorded(callback.path or output, own_layers(model))


def mirrored(subject: Subject, output: Path) -> Recorded:
    """Two replicas on two logical devices of one CPU, half a batch each."""
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
        model = compiled(subject)
    return fitted(model, subject.data(STEPS), output)


def by_batch(subject: Subject, output: Path) -> Recorded:
    model = compiled(subject)
    return stepped(model, model.train_on_batch, subject.data(STEPS), output)


def loop(subject: Subject, output: Path) -> Recorded:
    """A training step of the user's own, compiled."""
    model = subject.build()
    loss_of = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    optimizer = keras.optimizers.Adam()

    @tf.function  # type: ignore[untyped-decorator]
    def train(examples: Any, targets: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = loss_of(targets, model(examples, training=True))
        optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
        return loss

    return stepped(model, train, subject.data(STEPS), output)


def stepped(model: Any, train: Callable[[Any, Any], Any], data: Data, output: Path) -> Recorded:
    with smaragdine.record(output, model=model, **WINDOW) as recording:
        for examples, targets in data.batches():
            with recording.step(samples=BATCH):
                train(examples, targets)
    return Recorded(recording.path or output, own_layers(model))


def graph(subject: Subject, output: Path) -> Recorded:
    """The demo's BERT, written for a session; its layers are the scopes that hold its variables."""
    shape = Shape()
    text = Corpus.load(shape.vocabulary)
    with tf.Graph().as_default():
        bert = bert_graph(shape)
        names = {str(variable.op.name) for variable in v1.global_variables()}
        hook = EnergyHook(output, **WINDOW)
        with v1.train.MonitoredTrainingSession(hooks=[hook]) as session:
            for number in range(STEPS):
                batch = text.batch(number, batch=BATCH, sequence=shape.sequence, predictions=shape.predictions)
                session.run([bert.loss, bert.train], bert.feed(batch))
    # An optimizer keeps its slots under the variable that they are for.
    scopes = {name.rpartition("/")[0] for name in names} - names
    return Recorded(hook.path or output, frozenset(outer for scope in scopes for outer in outward(scope)))


def outward(scope: str) -> list[str]:
    """`a`, `a/b` and `a/b/c` of `a/b/c`."""
    return list(itertools.accumulate(scope.split("/"), "{}/{}".format))


MODES: dict[str, Callable[[Subject, Path], Recorded]] = {
    "fit": fit(),
    "plain": fit(jit_compile=False),
    "xla": fit(jit_compile=True),
    "eager": fit(run_eagerly=True),
    "evaluate": evaluate,
    "predict": predict,
    "batch": by_batch,
    "loop": loop,
    "multi": fit(steps_per_execution=4),
    "mirrored": mirrored,
    "graph": graph,
}
