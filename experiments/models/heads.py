"""What BERT and ALBERT are trained for: masked words, the next sentence, and the class of a sentence.

Each function adds a head to the default graph and returns its logits and its loss, a scalar.
"""

from __future__ import annotations

import tensorflow as tf

from .bert import Encoded
from .layers import Tensor, dense, dropout, gelu, layer_norm, v1, variable
from .size import Size


def masked_language(encoded: Encoded, positions: Tensor, labels: Tensor, size: Size) -> tuple[Tensor, Tensor]:
    """Scores the vocabulary at the masked positions, by the word embeddings.

    `positions` and `labels` are int32 (batch, predictions), logits (batch · predictions, vocabulary).
    """
    with v1.variable_scope("cls/predictions"):
        starts = tf.range(size.batch)[:, tf.newaxis] * size.sequence
        masked = tf.gather(encoded.hidden, tf.reshape(positions + starts, (-1,)))
        with v1.variable_scope("transform"):
            masked = layer_norm(dense(masked, encoded.table.shape[-1], "dense", gelu))
        logits = tf.matmul(masked, encoded.table, transpose_b=True)
        logits = tf.nn.bias_add(logits, variable("output_bias", (size.vocabulary,), v1.zeros_initializer()))
        return logits, _loss(logits, labels)


def next_sentence(encoded: Encoded, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Whether the second segment is what follows the first: `labels` int32 (batch,), logits (batch, 2)."""
    with v1.variable_scope("cls/seq_relationship"):
        logits = _binary(encoded.pooled, "output_weights", "output_bias")
        return logits, _loss(logits, labels)


def classification(encoded: Encoded, labels: Tensor, size: Size, *, training: bool) -> tuple[Tensor, Tensor]:
    """The class of each sequence, of two: `labels` int32 (batch,), logits (batch, 2)."""
    with v1.variable_scope("loss"):
        logits = _binary(dropout(encoded.pooled, size.dropout, training), "output_weights", "output_bias")
        return logits, _loss(logits, labels)


def _binary(pooled: Tensor, weights: str, bias: str) -> Tensor:
    kernel = variable(weights, (2, pooled.shape[-1]))
    return tf.nn.bias_add(tf.matmul(pooled, kernel, transpose_b=True), variable(bias, (2,), v1.zeros_initializer()))


def _loss(logits: Tensor, labels: Tensor) -> Tensor:
    flat = tf.reshape(labels, (-1,))
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=flat, logits=logits))
