"""The ways to train a subject, each a step: (parameters, state, examples, targets) → parameters, state, loss."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax

from .subjects import BATCH, CLASSES, Array, Subject

Step = Callable[[Any, Any, Array, Array], tuple[Any, Any, Array]]
_PARTS = 2


def optimizer() -> Any:
    return optax.adamw(1e-3)


def loss_by(forward: Callable[[Any, Array], Array]) -> Callable[[Any, Array, Array], Array]:
    def loss(parameters: Any, examples: Array, targets: Array) -> Array:
        logits = forward(parameters, examples)
        return optax.softmax_cross_entropy_with_integer_labels(logits, targets).mean()

    return loss


def stepped(gradients: Callable[[Any, Array, Array], tuple[Array, Any]]) -> Step:
    update_of = optimizer().update

    def train_step(parameters: Any, state: Any, examples: Array, targets: Array) -> tuple[Any, Any, Array]:
        loss, slopes = gradients(parameters, examples, targets)
        updates, state = update_of(slopes, state, parameters)
        return optax.apply_updates(parameters, updates), state, loss

    return train_step


def plain(subject: Subject) -> Step:
    return stepped(jax.value_and_grad(loss_by(subject.forward)))


def remat(subject: Subject) -> Step:
    return stepped(jax.value_and_grad(loss_by(jax.checkpoint(subject.forward))))


def scan(subject: Subject) -> Step:
    """Two steps in a loop of the compiler's."""
    one = plain(subject)

    def train_steps(parameters: Any, state: Any, examples: Array, targets: Array) -> tuple[Any, Any, Array]:
        def body(carry: Any, _: Any) -> Any:
            parameters, state, loss = one(carry[0], carry[1], examples, targets)
            return (parameters, state), loss

        (parameters, state), losses = jax.lax.scan(body, (parameters, state), length=_PARTS)
        return parameters, state, losses.mean()

    return train_steps


def vmap(subject: Subject) -> Step:
    """The forward pass is written for one example."""

    def forward(parameters: Any, examples: Array) -> Array:
        return jax.vmap(lambda example: subject.forward(parameters, example[None])[0])(examples)

    return stepped(jax.value_and_grad(loss_by(forward)))


def accumulate(subject: Subject) -> Step:
    """Gradients of two halves of a batch, added up in a loop of the compiler's."""
    of_part = jax.value_and_grad(loss_by(subject.forward))

    def gradients(parameters: Any, examples: Array, targets: Array) -> tuple[Array, Any]:
        parts = jax.tree.map(lambda array: array.reshape(_PARTS, -1, *array.shape[1:]), (examples, targets))

        def body(total: Any, part: Any) -> Any:
            return jax.tree.map(jnp.add, total, of_part(parameters, *part)), None

        zero = jax.tree.map(jnp.zeros_like, (jnp.zeros(()), parameters))
        total, _ = jax.lax.scan(body, zero, parts)
        loss, slopes = jax.tree.map(lambda array: array / _PARTS, total)
        return loss, slopes

    return stepped(gradients)


def targets() -> Array:
    return jax.random.randint(jax.random.key(1), (BATCH,), 0, CLASSES)


WAYS: dict[str, Callable[[Subject], Step]] = {
    "jit": plain,
    "remat": remat,
    "scan": scan,
    "vmap": vmap,
    "accumulate": accumulate,
}
