"""A model with a head in the default graph: what a session runs in a step, and what it is fed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from . import adam, albert, bert, heads
from .batch import Pairs, Sentences
from .layers import Tensor, v1
from .size import Size

MODELS: dict[str, Callable[..., bert.Encoded]] = {"bert": bert.encode, "albert": albert.encode}
STAGES = ("pretrain", "finetune", "predict")


@dataclass(frozen=True)
class Program:
    """One stage of one model. `fetches` is what `session.run` takes; the loss is None where nothing is trained."""

    placeholders: dict[str, Tensor]
    """By the name of what a batch holds for it."""
    logits: Tensor
    loss: Tensor | None
    fetches: list[Any]

    def feed(self, batch: Pairs | Sentences) -> dict[Any, Any]:
        """What `session.run` takes as `feed_dict`."""
        return {placeholder: getattr(batch, name) for name, placeholder in self.placeholders.items()}


def build(model: str, stage: str, size: Size, *, rate: float = adam.RATE, seed: int = 0) -> Program:
    """Builds a stage with random weights in the default graph, which must not be eager.

    `model` is `bert` or `albert`; `pretrain` trains for masked words and the next sentence, `finetune` for the class of
    a sentence, `predict` tells that class and trains nothing.
    """
    v1.set_random_seed(seed)
    # A monitored session wants one, also where nothing counts it up.
    v1.train.get_or_create_global_step()
    training = stage != "predict"
    text = bert.Text.placeholders(size)
    encoded = MODELS[model](text, size, training=training)
    holders = {"tokens": text.tokens, "mask": text.mask, "segments": text.segments}
    if stage != "pretrain":
        holders["classes"] = v1.placeholder(tf.int32, (size.batch,), "classes")
        logits, loss = heads.classification(encoded, holders["classes"], size, training=training)
        if not training:
            return Program(holders, logits, None, [tf.nn.softmax(logits, name="probabilities")])
        return Program(holders, logits, loss, [loss, adam.train(loss, rate=rate)])
    for name in ("positions", "words"):
        holders[name] = v1.placeholder(tf.int32, (size.batch, size.predictions), name)
    holders["follows"] = v1.placeholder(tf.int32, (size.batch,), "follows")
    logits, masked = heads.masked_language(encoded, holders["positions"], holders["words"], size)
    _, following = heads.next_sentence(encoded, holders["follows"])
    loss = masked + following
    return Program(holders, logits, loss, [loss, adam.train(loss, rate=rate)])
