"""The demo's text and model, and what a Keras model says about itself."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from smaragdine.demo.corpus import MASK, UNKNOWN, Corpus
from smaragdine.demo.shape import Shape
from smaragdine.frameworks.tensorflow.graph import layer_paths, variable_paths
from testbed.keras_graph import keras_graph

TINY = Shape(layers=1, hidden=8, heads=2, sequence=8, vocabulary=32, predictions=2)
SIZES = {"batch": 3, "sequence": TINY.sequence, "predictions": TINY.predictions}


@pytest.fixture(scope="module")
def text() -> Corpus:
    return Corpus.load(TINY.vocabulary, limit=50_000)


def test_the_corpus_is_the_same_each_time_and_bounded(text: Corpus) -> None:
    again = Corpus.load(TINY.vocabulary, limit=50_000)
    assert again.vocabulary == text.vocabulary
    assert np.array_equal(again.tokens, text.tokens)
    assert len(text.vocabulary) == TINY.vocabulary
    assert 1_000 < len(text.tokens) <= 50_000
    assert text.tokens.min() >= 0 and text.tokens.max() < TINY.vocabulary


def test_a_batch_masks_the_positions_that_it_names_and_keeps_their_tokens_as_labels(text: Corpus) -> None:
    batch = text.batch(5, **SIZES)
    assert batch.tokens.shape == (3, 8) and batch.positions.shape == batch.labels.shape == (3, 2)
    assert np.all(np.diff(batch.positions, axis=1) > 0), "positions are distinct and in order"
    assert not np.any(batch.labels == MASK), "text holds no mask"
    again = text.batch(5, **SIZES)
    assert np.array_equal(again.tokens, batch.tokens) and np.array_equal(again.labels, batch.labels)
    assert not np.array_equal(text.batch(6, **SIZES).tokens, batch.tokens)


def test_most_named_positions_are_masked(text: Corpus) -> None:
    batch = text.batch(0, batch=1_000, sequence=8, predictions=2)
    shown = np.take_along_axis(batch.tokens, batch.positions, axis=1)
    assert 0.75 < np.mean(shown == MASK) < 0.85
    assert UNKNOWN in batch.labels, "a small vocabulary leaves tokens unknown"


def test_a_root_without_sources_is_an_error_with_a_hint(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="hint:"):
        Corpus.load(32, root=tmp_path)


def test_shapes_that_make_no_model_are_refused() -> None:
    for wrong in ({"hidden": 10, "heads": 4}, {"predictions": 200}, {"layers": 0}):
        with pytest.raises(ValueError, match="hint:"):
            Shape(**wrong)


def test_the_demo_package_and_its_text_import_no_tensorflow() -> None:
    modules = "smaragdine.demo.corpus, smaragdine.demo.shape, smaragdine.frameworks.tensorflow.graph"
    code = f"import sys, {modules}; print('tensorflow' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"


class Layer:
    """A layer as Keras's traversal sees it."""

    def __init__(self, name: str, path: str | None = None, children: tuple[Any, ...] = ()) -> None:
        self.name, self.path, self._children = name, path, children

    def _flatten_layers(self, include_self: bool, recursive: bool) -> Iterator[Any]:
        assert not include_self and not recursive
        return iter(self._children)


def test_layer_paths_lack_the_models_name_and_hold_layers_without_weights() -> None:
    dense = Layer("dense", "bert/block/dense")
    block = Layer("block", "bert/block", (dense, Layer("dropout")))
    assert layer_paths(Layer("bert", None, (block,))) == ["block", "block/dense", "block/dropout"]
    functional = Layer("mlp", None, (Layer("dense", "dense"),))
    assert layer_paths(functional) == ["dense"]


def test_a_model_that_is_none_says_nothing() -> None:
    assert layer_paths(object()) == [] and variable_paths(object()) == [] and keras_graph(object()) is None


@pytest.mark.tensorflow
def test_the_keras_model_learns_and_tells_its_graph_and_layers(text: Corpus) -> None:
    pytest.importorskip("tensorflow")
    from smaragdine.demo import model

    bert = model.build(TINY)
    assert keras_graph(bert) is None, "there is no graph before the first step"
    inputs, labels = text.arrays(60, **SIZES)
    history = bert.fit(inputs, labels, batch_size=3, epochs=4, shuffle=False, verbose=0)
    losses = history.history["loss"]
    assert losses[-1] < losses[0]
    paths = layer_paths(bert)
    assert paths.index("encoder/layer_0") < paths.index("encoder/layer_0/attention/self/query")
    assert "encoder/layer_0/output/dropout" in paths
    assert "bert/encoder/layer_0/attention/self/query/kernel" in variable_paths(bert)
    graph = keras_graph(bert)
    assert graph is not None
    assert b"gradient_tape/bert_1/encoder_1/layer_0_1/attention_1/self_1/query_1/MatMul/MatMul_1" in graph


@pytest.mark.tensorflow
def test_the_graph_mode_model_has_the_same_size_and_trains(text: Corpus) -> None:
    tf = pytest.importorskip("tensorflow")
    from smaragdine.demo import graph, model

    with tf.Graph().as_default() as built:
        bert = graph.build(TINY)
        trainable = tf.compat.v1.trainable_variables()
        size = sum(int(np.prod(variable.shape)) for variable in trainable)
        with tf.compat.v1.train.MonitoredTrainingSession() as session:
            feed = bert.feed(text.batch(0, **SIZES))
            losses = [session.run([bert.loss, bert.train], feed)[0] for _ in range(5)]
        names = {operation.name for operation in built.get_operations()}
    assert losses[-1] < losses[0]
    assert {"bert/encoder/layer_0/output/dense/MatMul", "gradients/AddN"} <= names
    keras_model = model.build(TINY)
    keras_model(text.batch(0, **SIZES).inputs)
    assert size == sum(int(np.prod(variable.shape)) for variable in keras_model.trainable_variables)
