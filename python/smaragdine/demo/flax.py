"""The demo's model in Flax linen: the BERT of `model.py`, with the same layers under the same names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import linen as nn

from smaragdine.demo.shape import Shape

# Arrays and parameters come without usable types.
Array = Any

_EPSILON = 1e-12
_INITIALIZER = nn.initializers.truncated_normal(0.02)


def _dense(units: int, name: str) -> Any:
    return nn.Dense(units, kernel_init=_INITIALIZER, name=name)


class Embeddings(nn.Module):  # type: ignore[misc]
    """Word and position embeddings: (batch, sequence) → (batch · sequence, hidden)."""

    shape: Shape

    @nn.compact
    def __call__(self, tokens: Array, training: bool) -> Array:
        shape = self.shape
        words = nn.Embed(shape.vocabulary, shape.hidden, embedding_init=_INITIALIZER, name="word_embeddings")(tokens)
        embed = nn.Embed(shape.sequence, shape.hidden, embedding_init=_INITIALIZER, name="position_embeddings")
        flat = (words + embed(jnp.arange(shape.sequence))).reshape(-1, shape.hidden)
        return _dropped(shape, nn.LayerNorm(_EPSILON, name="LayerNorm")(flat), training)


class Residual(nn.Module):  # type: ignore[misc]
    """A projection to the hidden width, dropout, and a normalised residual."""

    shape: Shape

    @nn.compact
    def __call__(self, hidden: Array, residual: Array, training: bool) -> Array:
        projected = _dropped(self.shape, _dense(self.shape.hidden, "dense")(hidden), training)
        return nn.LayerNorm(_EPSILON, name="LayerNorm")(projected + residual)


class SelfAttention(nn.Module):  # type: ignore[misc]
    """Scaled dot-product attention over `heads` heads."""

    shape: Shape

    @nn.compact
    def __call__(self, hidden: Array, training: bool) -> Array:
        shape = self.shape

        def split(projected: Array) -> Array:
            """(batch · sequence, hidden) → (batch, heads, sequence, head)."""
            return projected.reshape(-1, shape.sequence, shape.heads, shape.head).transpose(0, 2, 1, 3)

        query, key, value = (split(_dense(shape.hidden, name)(hidden)) for name in ("query", "key", "value"))
        scores = query @ key.transpose(0, 1, 3, 2) * shape.head**-0.5
        context = _dropped(shape, nn.softmax(scores), training) @ value
        return context.transpose(0, 2, 1, 3).reshape(-1, shape.hidden)


class Attention(nn.Module):  # type: ignore[misc]
    """Self-attention and its output projection."""

    shape: Shape

    @nn.compact
    def __call__(self, hidden: Array, training: bool) -> Array:
        attended = SelfAttention(self.shape, name="self")(hidden, training)
        return Residual(self.shape, name="output")(attended, hidden, training)


class Wide(nn.Module):  # type: ignore[misc]
    """A dense layer and its activation."""

    units: int

    @nn.compact
    def __call__(self, hidden: Array) -> Array:
        return nn.gelu(_dense(self.units, "dense")(hidden), approximate=True)


class TransformerLayer(nn.Module):  # type: ignore[misc]
    """Attention, then the feed-forward layers, each with its residual."""

    shape: Shape

    @nn.compact
    def __call__(self, hidden: Array, training: bool) -> Array:
        attended = Attention(self.shape, name="attention")(hidden, training)
        wide = Wide(self.shape.intermediate, name="intermediate")(attended)
        return Residual(self.shape, name="output")(wide, attended, training)


class Encoder(nn.Module):  # type: ignore[misc]
    """Transformer layers, one after the other, on (batch · sequence, hidden)."""

    shape: Shape

    @nn.compact
    def __call__(self, hidden: Array, training: bool) -> Array:
        for index in range(self.shape.layers):
            hidden = TransformerLayer(self.shape, name=f"layer_{index}")(hidden, training)
        return hidden


class Transform(nn.Module):  # type: ignore[misc]
    """The head's own dense layer and normalisation."""

    shape: Shape

    @nn.compact
    def __call__(self, hidden: Array) -> Array:
        wide = nn.gelu(_dense(self.shape.hidden, "dense")(hidden), approximate=True)
        return nn.LayerNorm(_EPSILON, name="LayerNorm")(wide)


class Predictions(nn.Module):  # type: ignore[misc]
    """Gathers the masked positions and scores the vocabulary for each."""

    shape: Shape

    @nn.compact
    def __call__(self, hidden: Array, positions: Array) -> Array:
        starts = jnp.arange(positions.shape[0])[:, None] * self.shape.sequence
        masked = jnp.take(hidden, (positions + starts).reshape(-1), axis=0)
        logits = _dense(self.shape.vocabulary, "decoder")(Transform(self.shape, name="transform")(masked))
        return logits.reshape(-1, self.shape.predictions, self.shape.vocabulary)


class Head(nn.Module):  # type: ignore[misc]
    """The masked-language head: `cls/predictions`."""

    shape: Shape

    @nn.compact
    def __call__(self, hidden: Array, positions: Array) -> Array:
        return Predictions(self.shape, name="predictions")(hidden, positions)


class Bert(nn.Module):  # type: ignore[misc]
    """Embeddings, encoder and masked-language head."""

    shape: Shape

    @nn.compact
    def __call__(self, tokens: Array, positions: Array, training: bool = False) -> Array:
        embedded = Embeddings(self.shape, name="embeddings")(tokens, training)
        encoded = Encoder(self.shape, name="encoder")(embedded, training)
        return Head(self.shape, name="cls")(encoded, positions)


def _dropped(shape: Shape, hidden: Array, training: bool) -> Array:
    return nn.Dropout(shape.dropout, name="dropout")(hidden, deterministic=not training)


class Training:
    """The model, its parameters and its optimizer, as a training step uses and changes them."""

    def __init__(self, shape: Shape, batch: int, seed: int = 0) -> None:
        model = Bert(shape, name="bert")
        optimizer = optax.adamw(1e-4, weight_decay=0.01)
        tokens = jnp.zeros((batch, shape.sequence), jnp.int32)
        self._key = jax.random.key(seed)
        self._parameters = model.init(self._key, tokens, jnp.zeros((batch, shape.predictions), jnp.int32))
        self._state = optimizer.init(self._parameters)
        self._train_step = _step(model, optimizer)
        self._steps = 0

    def step(self, tokens: Array, positions: Array, labels: Array) -> float:
        """Trains on one batch; returns its loss."""
        self._parameters, self._state, loss = self._train_step(
            self._parameters, self._state, self._key, self._steps, tokens, positions, labels
        )
        self._steps += 1
        return float(loss)


def _step(model: Bert, optimizer: Any) -> Callable[..., tuple[Any, Any, Array]]:
    def train_step(
        parameters: Any, state: Any, key: Array, number: Array, tokens: Array, positions: Array, labels: Array
    ) -> tuple[Any, Any, Array]:
        key = jax.random.fold_in(key, number)

        def loss_of(parameters: Any) -> Array:
            logits = model.apply(parameters, tokens, positions, True, rngs={"dropout": key})
            return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()

        loss, slopes = jax.value_and_grad(loss_of)(parameters)
        updates, state = optimizer.update(slopes, state, parameters)
        return optax.apply_updates(parameters, updates), state, loss

    return jax.jit(train_step, donate_argnums=(0, 1))  # type: ignore[no-any-return]
