"""ALBERT in graph style: narrow embeddings, parameters shared within groups, and dense layers by Einstein summation.

Lan et al., "ALBERT", ICLR 2020; github.com/google-research/albert, modeling.py. Layers of one group enter its variable
scope again, so that TensorFlow numbers their scopes: `group_0/layer_0`, `group_0_1/layer_1` …
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from .bert import Encoded, Text, embed, pool
from .layers import Activation, Tensor, attention_mask, dropout, gelu, layer_norm, v1, variable
from .size import Size


def encode(text: Text, size: Size, *, training: bool) -> Encoded:
    """Adds `bert`, as ALBERT calls itself, to the default graph. `training`: with dropout."""
    with v1.variable_scope("bert"):
        with v1.variable_scope("embeddings"):
            hidden, table = embed(text, size, size.embedding, training)
        with v1.variable_scope("encoder"):
            mask = attention_mask(text.mask)
            if size.embedding != size.hidden:
                hidden = _dense(hidden, size.hidden, "embedding_hidden_mapping_in")
            with v1.variable_scope("transformer", reuse=v1.AUTO_REUSE):
                for index in range(size.layers):
                    hidden = _layer(hidden, mask, index, size, training)
        return Encoded(tf.reshape(hidden, (-1, size.hidden)), pool(hidden, size), table)


def _layer(hidden: Tensor, mask: Tensor, index: int, size: Size, training: bool) -> Tensor:
    group = index * size.groups // size.layers
    with v1.variable_scope(f"group_{group}"), v1.name_scope(f"layer_{index}"):
        for inner in range(size.inner_groups):
            with v1.variable_scope(f"inner_group_{inner}"):
                hidden = _transformer(hidden, mask, size, training)
    return hidden


def _transformer(hidden: Tensor, mask: Tensor, size: Size, training: bool) -> Tensor:
    with v1.variable_scope("attention_1"):
        with v1.variable_scope("self"):
            attended = _self_attention(hidden, mask, size, training)
        with v1.variable_scope("output"):
            projected = _merge_heads(attended, size.hidden, "dense")
            attended = dropout(projected, size.dropout, training)
    attended = _norm(attended + hidden, "LayerNorm_1")
    with v1.variable_scope("ffn_1"), v1.variable_scope("intermediate"):
        widened = _dense(attended, size.intermediate, "dense", gelu)
        with v1.variable_scope("output"):
            projected = _dense(widened, size.hidden, "dense")
        projected = dropout(projected, size.dropout, training)
    return _norm(projected + attended, "LayerNorm_2")


def _norm(inputs: Tensor, name: str) -> Tensor:
    with v1.variable_scope(name):
        return layer_norm(inputs)


def _self_attention(hidden: Tensor, mask: Tensor, size: Size, training: bool) -> Tensor:
    """(batch, sequence, hidden) → (batch, sequence, heads, head)."""
    query, key, value = (
        tf.transpose(_split_heads(hidden, size, name), (0, 2, 1, 3)) for name in ("query", "key", "value")
    )
    scores = tf.multiply(tf.matmul(query, key, transpose_b=True), size.head**-0.5) + mask
    probabilities = dropout(tf.nn.softmax(scores), size.dropout, training)
    return tf.transpose(tf.matmul(probabilities, value), (0, 2, 1, 3))


def _dense(inputs: Tensor, units: int, name: str, activation: Activation | None = None) -> Tensor:
    """(batch, sequence, width) → (batch, sequence, units)."""
    with v1.variable_scope(name):
        outputs = _einsum("BFH,HO->BFO", inputs, (inputs.shape[-1], units), (units,))
        return activation(outputs) if activation else outputs


def _split_heads(inputs: Tensor, size: Size, name: str) -> Tensor:
    """(batch, sequence, hidden) → (batch, sequence, heads, head)."""
    with v1.variable_scope(name):
        by_head = (size.heads, size.head)
        return _einsum("BFH,HND->BFND", inputs, (inputs.shape[-1], *by_head), by_head)


def _merge_heads(inputs: Tensor, units: int, name: str) -> Tensor:
    """(batch, sequence, heads, head) → (batch, sequence, units)."""
    with v1.variable_scope(name):
        return _einsum("BFND,NDH->BFH", inputs, (*inputs.shape[-2:], units), (units,))


def _einsum(equation: str, inputs: Tensor, kernel: tuple[Any, ...], bias: tuple[int, ...]) -> Tensor:
    product = tf.einsum(equation, inputs, _kernel(kernel))
    return product + variable("bias", bias, v1.zeros_initializer())


def _kernel(shape: tuple[Any, ...]) -> Tensor:
    return variable("kernel", tuple(int(side) for side in shape))
