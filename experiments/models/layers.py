"""What BERT and ALBERT are made of, in graph style, under the scopes of google's code.

Tensors are float32; all functions add operations to the default graph.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import tensorflow as tf

# tensorflow comes without usable types; tensors are Any throughout this module.
Tensor = Any
Activation = Callable[[Tensor], Tensor]

v1: Any = tf.compat.v1
STDDEV = 0.02
_EPSILON = 1e-12
# What a position that is padding gets before the softmax.
_MASKED = -10000.0


def initializer() -> Any:
    return v1.truncated_normal_initializer(stddev=STDDEV)


def variable(name: str, shape: tuple[int, ...], made: Any = None) -> Tensor:
    return v1.get_variable(name, shape, initializer=made or initializer(), use_resource=True)


def dense(inputs: Tensor, units: int, name: str, activation: Activation | None = None) -> Tensor:
    """(rows, width) → (rows, units); the activation's operations are in the layer's scope, as `tf.layers` has it."""
    with v1.variable_scope(name):
        product = tf.matmul(inputs, variable("kernel", (inputs.shape[-1], units)))
        outputs = tf.nn.bias_add(product, variable("bias", (units,), v1.zeros_initializer()))
        return activation(outputs) if activation else outputs


def gelu(inputs: Tensor) -> Tensor:
    """The Gaussian error linear unit by its tangent, spelled out as in google's BERT."""
    cdf = 0.5 * (1.0 + tf.tanh(math.sqrt(2 / math.pi) * (inputs + 0.044715 * tf.pow(inputs, 3))))
    return inputs * cdf


def layer_norm(inputs: Tensor) -> Tensor:
    """Over the last axis."""
    with v1.variable_scope("LayerNorm"):
        width = inputs.shape[-1]
        beta = variable("beta", (width,), v1.zeros_initializer())
        gamma = variable("gamma", (width,), v1.ones_initializer())
        mean, variance = tf.nn.moments(inputs, axes=[-1], keepdims=True)
        return tf.nn.batch_normalization(inputs, mean, variance, beta, gamma, _EPSILON)


def dropout(inputs: Tensor, rate: float, training: bool) -> Tensor:
    return v1.nn.dropout(inputs, rate=rate, name="dropout") if training and rate else inputs


def attention_mask(mask: Tensor) -> Tensor:
    """int32 (batch, sequence), 0 where there is padding → what is added to scores (batch, 1, 1, sequence)."""
    shown = tf.cast(mask, tf.float32)[:, tf.newaxis, tf.newaxis, :]
    return (1.0 - shown) * _MASKED
