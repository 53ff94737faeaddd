"""The trainings of the table, each as Keras runs it and as a session does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import cycle
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from smaragdine.demo import graph as demo_graph
from smaragdine.demo import model as demo_model
from smaragdine.demo.corpus import Corpus
from smaragdine.demo.shape import Shape

# Tensors, models and layers are Any throughout this module: TensorFlow and Keras come without usable types.
v1: Any = tf.compat.v1

# Batches that repeat for as long as a training lasts.
BATCHES = 50
_BERT_BATCH = 8


@dataclass(frozen=True)
class Fit:
    """A compiled model, and a dataset of batches that never ends."""

    model: Any
    data: Any


@dataclass(frozen=True)
class Session:
    """What `session.run` takes, in the graph that is the default where it was built; feeds never end."""

    fetches: list[Any]
    feeds: Iterator[dict[Any, Any]]


@dataclass(frozen=True)
class Subject:
    fit: Callable[[], Fit]
    session: Callable[[], Session]


def endless(examples: Any, targets: Any, batch: int) -> Any:
    return tf.data.Dataset.from_tensor_slices((examples, targets)).batch(batch, drop_remainder=True).repeat()


def mlp() -> tuple[Any, Any, Any, int]:
    random = np.random.default_rng(0)
    batch = 64
    model = keras.Sequential(
        [keras.Input((256,)), *(keras.layers.Dense(512, "relu") for _ in range(3)), keras.layers.Dense(10)], name="mlp"
    )
    return model, random.random((BATCHES * batch, 256), "float32"), random.integers(0, 10, BATCHES * batch), batch


def mobilenetv2() -> tuple[Any, Any, Any, int]:
    random = np.random.default_rng(0)
    batch, shape = 8, (96, 96, 3)
    model = keras.applications.MobileNetV2(
        weights=None, input_shape=shape, classes=10, classifier_activation=None, name="mobilenetv2"
    )
    return model, random.random((BATCHES * batch, *shape), "float32"), random.integers(0, 10, BATCHES * batch), batch


def classifier(build: Callable[[], tuple[Any, Any, Any, int]]) -> Subject:
    """A Keras model; in a session, the same model called in its graph and trained by TensorFlow 1's Adam."""

    def fit() -> Fit:
        model, examples, targets, batch = build()
        model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        return Fit(model, endless(examples, targets, batch))

    def session() -> Session:
        model, examples, targets, batch = build()
        x = v1.placeholder(examples.dtype, (batch, *examples.shape[1:]))
        y = v1.placeholder(targets.dtype, (batch,))
        loss = v1.losses.sparse_softmax_cross_entropy(y, model(x, training=True))
        step = v1.train.get_or_create_global_step()
        variables = [variable.value for variable in model.trainable_variables]
        train = v1.train.AdamOptimizer().minimize(loss, global_step=step, var_list=variables)
        parts = [slice(start, start + batch) for start in range(0, len(targets), batch)]
        return Session([loss, train], cycle([{x: examples[part], y: targets[part]} for part in parts]))

    return Subject(fit, session)


def demo() -> Subject:
    """The demo's BERT, Keras and session."""
    shape = Shape()
    sizes = {"batch": _BERT_BATCH, "sequence": shape.sequence, "predictions": shape.predictions}

    def fit() -> Fit:
        inputs, labels = Corpus.load(shape.vocabulary).arrays(BATCHES, **sizes)
        return Fit(demo_model.build(shape), endless(inputs, labels, _BERT_BATCH))

    def session() -> Session:
        text = Corpus.load(shape.vocabulary)
        bert = demo_graph.build(shape)
        return Session([bert.loss, bert.train], cycle([bert.feed(text.batch(n, **sizes)) for n in range(BATCHES)]))

    return Subject(fit, session)


SUBJECTS = {"mlp": classifier(mlp), "bert": demo(), "mobilenetv2": classifier(mobilenetv2)}
