"""BERT in Keras 3, pre-trained: the demo's embeddings, encoder and word head, with pooler and next-sentence head."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers, ops

from smaragdine.demo.model import Embeddings, Encoder, Predictions

from .batch import Pairs
from .size import Size

# keras comes without usable types; tensors and layers are Any throughout this module.
Tensor = Any


def build(size: Size, *, rate: Any = 2e-5, seed: int = 0) -> Any:
    """A compiled `keras.Model` with random weights, trained at a `rate` or by a schedule of rates.

    Inputs: `tokens` int32 (batch, sequence), `positions` int32 (batch, predictions); outputs: logits of `words`
    (batch, predictions, vocabulary) and `follows` (batch, 2). Sequences have no padding.
    """
    keras.utils.set_random_seed(seed)
    model = Bert(size, name="bert")
    loss = keras.losses.SparseCategoricalCrossentropy
    model.compile(
        optimizer=keras.optimizers.AdamW(rate, weight_decay=0.01, name="adam"),
        loss={name: loss(from_logits=True, name=name) for name in ("words", "follows")},
        metrics={"words": [keras.metrics.SparseCategoricalAccuracy(name="accuracy")]},
    )
    return model


def arrays(pairs: Pairs) -> tuple[dict[str, Any], dict[str, Any]]:
    """What `fit` takes of them."""
    return {"tokens": pairs.tokens, "positions": pairs.positions}, {"words": pairs.words, "follows": pairs.follows}


class Bert(keras.Model):  # type: ignore[misc]
    """Embeddings, encoder, pooler and both heads."""

    def __init__(self, size: Size, **options: Any) -> None:
        super().__init__(**options)
        self.size = size
        self.embeddings = Embeddings(size, name="embeddings")
        self.encoder = Encoder(size, name="encoder")
        self.pooler = Pooler(size, name="pooler")
        self.cls = Heads(size, name="cls")

    def call(self, inputs: dict[str, Tensor], training: bool = False) -> dict[str, Tensor]:
        hidden = self.encoder(self.embeddings(inputs["tokens"], training=training), training=training)
        logits: dict[str, Tensor] = self.cls([hidden, inputs["positions"], self.pooler(hidden)])
        return logits


class Pooler(layers.Layer):  # type: ignore[misc]
    """The first token of each sequence: (batch · sequence, hidden) → (batch, hidden)."""

    def __init__(self, size: Size, **options: Any) -> None:
        super().__init__(**options)
        self.size = size
        self.dense = layers.Dense(size.hidden, activation="tanh", name="dense")

    def call(self, hidden: Tensor) -> Tensor:
        return self.dense(ops.reshape(hidden, (-1, self.size.sequence, self.size.hidden))[:, 0])


class Heads(layers.Layer):  # type: ignore[misc]
    """`cls/predictions` and `cls/seq_relationship`."""

    def __init__(self, size: Size, **options: Any) -> None:
        super().__init__(**options)
        self.predictions = Predictions(size, name="predictions")
        self.seq_relationship = layers.Dense(2, name="seq_relationship")

    def call(self, inputs: list[Tensor]) -> dict[str, Tensor]:
        hidden, positions, pooled = inputs
        return {"words": self.predictions([hidden, positions]), "follows": self.seq_relationship(pooled)}
