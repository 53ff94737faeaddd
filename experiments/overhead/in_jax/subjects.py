"""The trainings of the table, each a call that trains one step and waits for its loss."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import cycle
from typing import Any

import jax
import optax
from flax import linen as nn

from smaragdine.demo.corpus import Corpus
from smaragdine.demo.flax import Training
from smaragdine.demo.shape import Shape

Step = Callable[[], object]
BATCHES, BERT_BATCH, MLP_BATCH, CLASSES = 20, 8, 256, 10


def mlp(width: int) -> Step:
    """Three layers: of 512, some 7 ms a step on two CPUs; of 768, some 14 ms."""

    class Mlp(nn.Module):  # type: ignore[misc]
        @nn.compact
        def __call__(self, x: Any) -> Any:
            for _ in range(3):
                x = nn.relu(nn.Dense(width)(x))
            return nn.Dense(CLASSES)(x)

    model, optimizer = Mlp(), optax.adam(1e-3)
    x = jax.random.normal(jax.random.key(0), (MLP_BATCH, width))
    y = jax.random.randint(jax.random.key(1), (MLP_BATCH,), 0, CLASSES)

    def train_step(parameters: Any, state: Any) -> Any:
        def loss_of(parameters: Any) -> Any:
            return optax.softmax_cross_entropy_with_integer_labels(model.apply(parameters, x), y).mean()

        loss, slopes = jax.value_and_grad(loss_of)(parameters)
        updates, state = optimizer.update(slopes, state, parameters)
        return optax.apply_updates(parameters, updates), state, loss

    compiled = jax.jit(train_step, donate_argnums=(0, 1))
    parameters = model.init(jax.random.key(2), x)
    held = [parameters, optimizer.init(parameters)]

    def step() -> None:
        held[0], held[1], loss = compiled(*held)
        loss.block_until_ready()

    return step


def bert() -> Step:
    """The demo's BERT in Flax."""
    shape = Shape()
    text, training = Corpus.load(shape.vocabulary), Training(shape, BERT_BATCH)
    sizes = {"batch": BERT_BATCH, "sequence": shape.sequence, "predictions": shape.predictions}
    batches = cycle([text.batch(number, **sizes) for number in range(BATCHES)])

    def step() -> None:
        batch = next(batches)
        training.step(batch.tokens, batch.positions, batch.labels)

    return step


SUBJECTS: dict[str, Callable[[], Step]] = {"mlp": partial(mlp, 512), "wide-mlp": partial(mlp, 768), "bert": bert}
