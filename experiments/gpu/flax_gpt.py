"""The same Transformer in Flax: bf16 products, AdamW by Optax."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import optax
from flax import linen as nn
from jax import numpy as jnp

from experiments.gpu.size import LARGE, SMALL, Size

BF16 = jnp.bfloat16


class Block(nn.Module):  # type: ignore[misc]
    size: Size

    @nn.compact  # type: ignore[untyped-decorator]
    def __call__(self, hidden: Any) -> Any:
        width, heads = self.size.width, self.size.heads
        seen = nn.make_causal_mask(jnp.zeros(hidden.shape[:2]))
        normed = nn.LayerNorm(dtype=BF16, name="attention_norm")(hidden)
        hidden = hidden + nn.SelfAttention(num_heads=heads, dtype=BF16, name="attention")(normed, mask=seen)
        normed = nn.LayerNorm(dtype=BF16, name="feed_norm")(hidden)
        up = nn.gelu(nn.Dense(4 * width, dtype=BF16, name="up")(normed))
        return hidden + nn.Dense(width, dtype=BF16, name="down")(up)


class GPT(nn.Module):  # type: ignore[misc]
    size: Size

    @nn.compact  # type: ignore[untyped-decorator]
    def __call__(self, words: Any) -> Any:
        size = self.size
        places = nn.Embed(size.tokens, size.width, dtype=BF16, name="position")(jnp.arange(words.shape[1]))
        hidden = nn.Embed(size.words, size.width, dtype=BF16, name="word")(words) + places
        for layer in range(size.layers):
            hidden = Block(size, name=f"blocks_{layer}")(hidden)
        return nn.Dense(size.words, dtype=BF16, name="head")(nn.LayerNorm(dtype=BF16, name="norm")(hidden))


def training() -> tuple[Size, Callable[[], Any]]:
    """The size, and what trains one step, on the GPU where JAX has one."""
    size = LARGE if jax.default_backend() == "gpu" else SMALL
    model, optimizer = GPT(size), optax.adamw(1e-4)
    words = jnp.asarray(np.random.default_rng(0).integers(0, size.words, (size.batch, size.tokens + 1)))
    parameters = model.init(jax.random.PRNGKey(0), words[:, :-1])
    held = [parameters, optimizer.init(parameters)]

    @jax.jit  # type: ignore[untyped-decorator]
    def update(parameters: Any, state: Any, words: Any) -> Any:
        def loss(parameters: Any) -> Any:
            told = model.apply(parameters, words[:, :-1]).astype(jnp.float32)
            return optax.softmax_cross_entropy_with_integer_labels(told, words[:, 1:]).mean()

        loss, gradients = jax.value_and_grad(loss)(parameters)
        updates, state = optimizer.update(gradients, state, parameters)
        return optax.apply_updates(parameters, updates), state, loss

    def step() -> None:
        held[0], held[1], loss = update(held[0], held[1], words)
        loss.block_until_ready()

    return size, step
