"""BERT in graph style: embeddings, encoder and pooler under the scopes of google's code, which are the paper's names.

Devlin et al., "BERT", NAACL 2019; github.com/google-research/bert, modeling.py. Hidden states stay (batch · sequence,
hidden) from layer to layer, as there.
"""

from __future__ import annotations

from dataclasses import dataclass

import tensorflow as tf

from .layers import Tensor, attention_mask, dense, dropout, gelu, layer_norm, v1, variable
from .size import Size

SEGMENTS = 2


@dataclass(frozen=True)
class Text:
    """Placeholders, int32 (batch, sequence): tokens, 1 where there is one (0: padding), and the segment of each."""

    tokens: Tensor
    mask: Tensor
    segments: Tensor

    @classmethod
    def placeholders(cls, size: Size) -> Text:
        shape = (size.batch, size.sequence)
        return cls(*(v1.placeholder(tf.int32, shape, name) for name in ("tokens", "mask", "segments")))


@dataclass(frozen=True)
class Encoded:
    """What heads work on."""

    hidden: Tensor
    """(batch · sequence, hidden)"""
    pooled: Tensor
    """(batch, hidden), of each sequence's first token."""
    table: Tensor
    """The word embeddings: (vocabulary, width)."""


def encode(text: Text, size: Size, *, training: bool) -> Encoded:
    """Adds `bert` to the default graph. `training`: with dropout."""
    with v1.variable_scope("bert"):
        with v1.variable_scope("embeddings"):
            embedded, table = embed(text, size, size.hidden, training)
        with v1.variable_scope("encoder"):
            mask = attention_mask(text.mask)
            hidden = tf.reshape(embedded, (-1, size.hidden))
            for index in range(size.layers):
                with v1.variable_scope(f"layer_{index}"):
                    hidden = _transformer(hidden, mask, size, training)
        return Encoded(hidden, pool(hidden, size), table)


def embed(text: Text, size: Size, width: int, training: bool) -> tuple[Tensor, Tensor]:
    """(batch, sequence, width), and the table of words."""
    table = variable("word_embeddings", (size.vocabulary, width))
    embedded = tf.reshape(tf.gather(table, tf.reshape(text.tokens, (-1,))), (-1, size.sequence, width))
    # One-hot products are quicker than look-ups where there are two rows.
    segments = tf.one_hot(tf.reshape(text.segments, (-1,)), SEGMENTS)
    segments = tf.matmul(segments, variable("token_type_embeddings", (SEGMENTS, width)))
    positions = variable("position_embeddings", (size.sequence, width))
    embedded = embedded + tf.reshape(segments, (-1, size.sequence, width)) + positions[tf.newaxis]
    return dropout(layer_norm(embedded), size.dropout, training), table


def pool(hidden: Tensor, size: Size) -> Tensor:
    with v1.variable_scope("pooler"):
        first = tf.reshape(hidden, (-1, size.sequence, size.hidden))[:, 0]
        return dense(first, size.hidden, "dense", tf.tanh)


def _transformer(hidden: Tensor, mask: Tensor, size: Size, training: bool) -> Tensor:
    with v1.variable_scope("attention"):
        with v1.variable_scope("self"):
            attended = _self_attention(hidden, mask, size, training)
        with v1.variable_scope("output"):
            attended = _residual(attended, hidden, size, training)
    with v1.variable_scope("intermediate"):
        widened = dense(attended, size.intermediate, "dense", gelu)
    with v1.variable_scope("output"):
        return _residual(widened, attended, size, training)


def _self_attention(hidden: Tensor, mask: Tensor, size: Size, training: bool) -> Tensor:
    query, key, value = (_split(dense(hidden, size.hidden, name), size) for name in ("query", "key", "value"))
    scores = tf.multiply(tf.matmul(query, key, transpose_b=True), size.head**-0.5) + mask
    probabilities = dropout(tf.nn.softmax(scores), size.dropout, training)
    context = tf.transpose(tf.matmul(probabilities, value), (0, 2, 1, 3))
    return tf.reshape(context, (-1, size.hidden))


def _split(projected: Tensor, size: Size) -> Tensor:
    """(batch · sequence, hidden) → (batch, heads, sequence, head)."""
    return tf.transpose(tf.reshape(projected, (-1, size.sequence, size.heads, size.head)), (0, 2, 1, 3))


def _residual(inputs: Tensor, residual: Tensor, size: Size, training: bool) -> Tensor:
    projected = dropout(dense(inputs, size.hidden, "dense"), size.dropout, training)
    return layer_norm(projected + residual)
