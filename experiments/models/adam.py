"""Adam with weight decay as google's BERT has it: decay apart from the gradient, no correction of bias."""

from __future__ import annotations

import re
from typing import Any

import tensorflow as tf

from .layers import Tensor, v1

RATE = 2e-5
_DECAY = 0.01
_BETA_1, _BETA_2, _EPSILON = 0.9, 0.999, 1e-6
_NORM = 1.0
_UNDECAYED = re.compile("LayerNorm|layer_norm|bias")


def train(loss: Tensor, *, rate: float) -> Any:
    """The operation that takes one step down the gradient of `loss`, for all trainable variables."""
    step = v1.train.get_or_create_global_step()
    variables = v1.trainable_variables()
    gradients, _ = tf.clip_by_global_norm(tf.gradients(loss, variables), _NORM)
    with v1.name_scope("AdamWeightDecayOptimizer"):
        updates = [
            _update(variable, gradient, rate)
            for variable, gradient in zip(variables, gradients, strict=True)
            if gradient is not None
        ]
        return tf.group(*updates, step.assign_add(1))


def _update(variable: Any, gradient: Tensor, rate: float) -> Any:
    name = variable.op.name
    first, second = (
        v1.get_variable(
            f"{name}/{slot}", variable.shape, initializer=v1.zeros_initializer(), trainable=False, use_resource=True
        )
        for slot in ("adam_m", "adam_v")
    )
    with v1.name_scope(name):
        # Of a table that is only looked up in, it tells the rows alone.
        gradient = tf.convert_to_tensor(gradient)
        mean = _BETA_1 * first + (1 - _BETA_1) * gradient
        square = _BETA_2 * second + (1 - _BETA_2) * tf.square(gradient)
        update = mean / (tf.sqrt(square) + _EPSILON)
        if not _UNDECAYED.search(name):
            update += _DECAY * variable
        return tf.group(variable.assign(variable - rate * update), first.assign(mean), second.assign(square))
