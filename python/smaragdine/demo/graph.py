"""The demo's model in graph mode: the operations of `smaragdine.demo.model`, written for a TensorFlow 1 session.

Scopes are google's BERT's; gradients are under `gradients/`, the optimizer's operations under `Adam/`. Its forward
operations are those of the Keras model, so that both modes can be compared name by name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from smaragdine.demo.corpus import Batch
from smaragdine.demo.shape import Shape

# tensorflow comes without usable types; tensors are Any throughout this module.
Tensor = Any

v1: Any = tf.compat.v1
_EPSILON = 1e-12


@dataclass(frozen=True)
class GraphModel:
    """Placeholders, the loss and the operation that trains one step, all in the graph they were built in."""

    tokens: Tensor
    positions: Tensor
    labels: Tensor
    logits: Tensor
    loss: Tensor
    train: Any

    def feed(self, batch: Batch) -> dict[Any, Any]:
        """What `session.run` takes as `feed_dict`."""
        return {self.tokens: batch.tokens, self.positions: batch.positions, self.labels: batch.labels}


def build(shape: Shape | None = None, *, name: str = "bert", seed: int = 0) -> GraphModel:
    """Builds the model with random weights in the default graph, which must not be eager.

    `tokens` is int32 (batch, sequence), `positions` and `labels` int32 (batch, predictions); `loss` is a scalar.
    """
    shape = shape or Shape()
    v1.set_random_seed(seed)
    tokens = v1.placeholder(tf.int32, (None, shape.sequence), "tokens")
    positions = v1.placeholder(tf.int32, (None, shape.predictions), "positions")
    labels = v1.placeholder(tf.int32, (None, shape.predictions), "labels")
    step = v1.train.get_or_create_global_step()
    with v1.variable_scope(name, initializer=v1.truncated_normal_initializer(stddev=0.02), use_resource=True):
        hidden = _embeddings(tokens, shape)
        with v1.variable_scope("encoder"):
            for index in range(shape.layers):
                with v1.variable_scope(f"layer_{index}"):
                    hidden = _transformer_layer(hidden, shape)
        logits = _head(hidden, positions, shape)
    with v1.name_scope("loss/masked_language"):
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(
            labels=tf.cast(labels, tf.int64), logits=logits, name="SparseSoftmaxCrossEntropyWithLogits"
        )
        loss = tf.math.divide_no_nan(tf.reduce_sum(losses), tf.cast(tf.size(losses), tf.float32))
    train = v1.train.AdamOptimizer(1e-4).minimize(loss, global_step=step)
    return GraphModel(tokens, positions, labels, logits, loss, train)


def _embeddings(tokens: Tensor, shape: Shape) -> Tensor:
    """(batch, sequence) → (batch · sequence, hidden)."""
    with v1.variable_scope("embeddings"):
        words = _lookup("word_embeddings", shape.vocabulary, shape.hidden, tokens)
        positions = _lookup("position_embeddings", shape.sequence, shape.hidden, tf.range(shape.sequence))
        embedded = tf.reshape(tf.add(words, positions, name="Add"), (-1, shape.hidden))
        return _dropout(_layer_norm(embedded), shape)


def _lookup(name: str, rows: int, width: int, indices: Tensor) -> Tensor:
    with v1.variable_scope(name):
        table = v1.get_variable("embeddings", (rows, width))
        # Negative indices count from the end, as in Keras.
        return tf.gather(table, tf.where(indices < 0, indices + rows, indices))


def _transformer_layer(hidden: Tensor, shape: Shape) -> Tensor:
    with v1.variable_scope("attention"):
        with v1.variable_scope("self"):
            attended = _self_attention(hidden, shape)
        with v1.variable_scope("output"):
            attended = _residual(attended, hidden, shape)
    with v1.variable_scope("intermediate"):
        widened = tf.nn.gelu(_dense(attended, shape.intermediate, "dense"), approximate=True)
    with v1.variable_scope("output"):
        return _residual(widened, attended, shape)


def _self_attention(hidden: Tensor, shape: Shape) -> Tensor:
    query = _split(_dense(hidden, shape.hidden, "query"), shape)
    key = _split(_dense(hidden, shape.hidden, "key"), shape)
    value = _split(_dense(hidden, shape.hidden, "value"), shape)
    scores = tf.multiply(tf.matmul(query, tf.transpose(key, (0, 1, 3, 2))), shape.head**-0.5)
    probabilities = _dropout(tf.nn.softmax(scores), shape)
    context = tf.transpose(tf.matmul(probabilities, value), (0, 2, 1, 3))
    return tf.reshape(context, (-1, shape.hidden))


def _split(projected: Tensor, shape: Shape) -> Tensor:
    """(batch · sequence, hidden) → (batch, heads, sequence, head)."""
    return tf.transpose(tf.reshape(projected, (-1, shape.sequence, shape.heads, shape.head)), (0, 2, 1, 3))


def _residual(hidden: Tensor, residual: Tensor, shape: Shape) -> Tensor:
    projected = _dropout(_dense(hidden, shape.hidden, "dense"), shape)
    return _layer_norm(tf.add(projected, residual, name="Add"))


def _head(hidden: Tensor, positions: Tensor, shape: Shape) -> Tensor:
    """Gathers the masked positions and scores the vocabulary: (batch, predictions, vocabulary)."""
    with v1.variable_scope("cls"), v1.variable_scope("predictions"):
        starts = tf.multiply(tf.range(tf.shape(positions)[0]), shape.sequence)
        flat = tf.reshape(tf.add(positions, tf.expand_dims(starts, -1), name="Add"), (-1,))
        masked = tf.gather(hidden, tf.where(flat < 0, flat + tf.shape(hidden)[0], flat))
        with v1.variable_scope("transform"):
            masked = _layer_norm(tf.nn.gelu(_dense(masked, shape.hidden, "dense"), approximate=True))
        logits = _dense(masked, shape.vocabulary, "decoder")
        return tf.reshape(logits, (-1, shape.predictions, shape.vocabulary))


def _dense(inputs: Tensor, units: int, name: str) -> Tensor:
    with v1.variable_scope(name):
        kernel = v1.get_variable("kernel", (inputs.shape[-1], units))
        bias = v1.get_variable("bias", (units,), initializer=v1.zeros_initializer())
        return tf.nn.bias_add(tf.matmul(inputs, kernel), bias)


def _layer_norm(inputs: Tensor) -> Tensor:
    """The arithmetic of `keras.layers.LayerNormalization` over the last axis."""
    with v1.variable_scope("LayerNorm"):
        width = inputs.shape[-1]
        gamma = v1.get_variable("gamma", (width,), initializer=v1.ones_initializer())
        beta = v1.get_variable("beta", (width,), initializer=v1.zeros_initializer())
        mean, variance = tf.nn.moments(inputs, axes=[-1], keepdims=True)
        gamma, beta = tf.reshape(gamma, (1, width)), tf.reshape(beta, (1, width))
        scale = tf.math.rsqrt(variance + _EPSILON) * gamma
        return inputs * scale + (-mean * scale + beta)


def _dropout(inputs: Tensor, shape: Shape) -> Tensor:
    """Stateless dropout whose seed counts up in a variable, as Keras does it."""
    with v1.variable_scope("dropout"):
        state = v1.get_variable(
            "seed_generator_state", (2,), tf.int64, initializer=v1.zeros_initializer(), trainable=False
        )
        drawn = state * 1
        with v1.control_dependencies([drawn, state.assign(tf.add(state, [0, 1], name="Add"))]):
            seed = tf.cast(tf.math.floormod(drawn, tf.int32.max - 1), tf.int32)
        return tf.nn.experimental.stateless_dropout(inputs, rate=shape.dropout, seed=seed)
