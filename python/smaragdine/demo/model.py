"""The demo's model in Keras 3: a small BERT with a masked-language head.

Its layers are named and nested as in google's BERT, and dense layers work on two-dimensional input as there, so that
qualified tensor names read `bert/encoder/layer_0/attention/self/query/MatMul`.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import layers, ops

from smaragdine.demo.shape import Shape

# keras and tensorflow come without usable types; tensors and layers are Any throughout this module.
Tensor = Any

_INITIALIZER_STDDEV = 0.02
_EPSILON = 1e-12


def build(shape: Shape | None = None, *, name: str = "bert", seed: int = 0, compile: bool = True) -> Any:
    """A compiled `keras.Model` with random weights.

    Inputs: `{"tokens": int32 (batch, sequence), "positions": int32 (batch, predictions)}`;
    output: logits, float32 (batch, predictions, vocabulary). Positions name the masked tokens.
    """
    shape = shape or Shape()
    keras.utils.set_random_seed(seed)
    model = Bert(shape, name=name)
    if compile:
        model.compile(
            optimizer=keras.optimizers.AdamW(1e-4, weight_decay=0.01, name="adam"),
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True, name="masked_language"),
            metrics=[keras.metrics.SparseCategoricalAccuracy(name="accuracy")],
        )
    return model


class Bert(keras.Model):  # type: ignore[misc]
    """Embeddings, encoder and masked-language head."""

    def __init__(self, shape: Shape, **options: Any) -> None:
        super().__init__(**options)
        self.shape = shape
        self.embeddings = Embeddings(shape, name="embeddings")
        self.encoder = Encoder(shape, name="encoder")
        self.cls = Head(shape, name="cls")

    def call(self, inputs: dict[str, Tensor], training: bool = False) -> Tensor:
        embedded = self.embeddings(inputs["tokens"], training=training)
        encoded = self.encoder(embedded, training=training)
        return self.cls([encoded, inputs["positions"]])


class Embeddings(layers.Layer):  # type: ignore[misc]
    """Word and position embeddings: (batch, sequence) → (batch · sequence, hidden)."""

    def __init__(self, shape: Shape, **options: Any) -> None:
        super().__init__(**options)
        self.shape = shape
        initializer = keras.initializers.TruncatedNormal(stddev=_INITIALIZER_STDDEV)
        self.word_embeddings = layers.Embedding(
            shape.vocabulary, shape.hidden, embeddings_initializer=initializer, name="word_embeddings"
        )
        self.position_embeddings = layers.Embedding(
            shape.sequence, shape.hidden, embeddings_initializer=initializer, name="position_embeddings"
        )
        self.norm = layers.LayerNormalization(epsilon=_EPSILON, name="LayerNorm")
        self.dropout = layers.Dropout(shape.dropout, name="dropout")

    def call(self, tokens: Tensor, training: bool = False) -> Tensor:
        words = self.word_embeddings(tokens)
        positions = self.position_embeddings(ops.arange(self.shape.sequence))
        embedded = self.norm(ops.reshape(ops.add(words, positions), (-1, self.shape.hidden)))
        return self.dropout(embedded, training=training)


class Encoder(layers.Layer):  # type: ignore[misc]
    """Transformer layers, one after the other, on (batch · sequence, hidden)."""

    def __init__(self, shape: Shape, **options: Any) -> None:
        super().__init__(**options)
        self.layers = [TransformerLayer(shape, name=f"layer_{index}") for index in range(shape.layers)]

    def call(self, hidden: Tensor, training: bool = False) -> Tensor:
        for layer in self.layers:
            hidden = layer(hidden, training=training)
        return hidden


class TransformerLayer(layers.Layer):  # type: ignore[misc]
    """Attention, then the feed-forward layers, each with its residual."""

    def __init__(self, shape: Shape, **options: Any) -> None:
        super().__init__(**options)
        self.attention = Attention(shape, name="attention")
        self.intermediate = Intermediate(shape, name="intermediate")
        self.output_dense = Residual(shape, name="output")

    def call(self, hidden: Tensor, training: bool = False) -> Tensor:
        attended = self.attention(hidden, training=training)
        return self.output_dense([self.intermediate(attended), attended], training=training)


class Attention(layers.Layer):  # type: ignore[misc]
    """Self-attention and its output projection."""

    def __init__(self, shape: Shape, **options: Any) -> None:
        super().__init__(**options)
        # `self` is the name that google's BERT gives this scope.
        self.self_attention = SelfAttention(shape, name="self")
        self.output_dense = Residual(shape, name="output")

    def call(self, hidden: Tensor, training: bool = False) -> Tensor:
        return self.output_dense([self.self_attention(hidden, training=training), hidden], training=training)


class SelfAttention(layers.Layer):  # type: ignore[misc]
    """Scaled dot-product attention over `heads` heads."""

    def __init__(self, shape: Shape, **options: Any) -> None:
        super().__init__(**options)
        self.shape = shape
        self.query = _dense(shape.hidden, "query")
        self.key = _dense(shape.hidden, "key")
        self.value = _dense(shape.hidden, "value")
        self.dropout = layers.Dropout(shape.dropout, name="dropout")

    def call(self, hidden: Tensor, training: bool = False) -> Tensor:
        query = self._split(self.query(hidden))
        key = self._split(self.key(hidden))
        value = self._split(self.value(hidden))
        scores = ops.multiply(ops.matmul(query, ops.transpose(key, (0, 1, 3, 2))), self.shape.head**-0.5)
        probabilities = self.dropout(ops.softmax(scores), training=training)
        context = ops.transpose(ops.matmul(probabilities, value), (0, 2, 1, 3))
        return ops.reshape(context, (-1, self.shape.hidden))

    def _split(self, projected: Tensor) -> Tensor:
        """(batch · sequence, hidden) → (batch, heads, sequence, head)."""
        by_head = ops.reshape(projected, (-1, self.shape.sequence, self.shape.heads, self.shape.head))
        return ops.transpose(by_head, (0, 2, 1, 3))


class Intermediate(layers.Layer):  # type: ignore[misc]
    """The widening feed-forward layer."""

    def __init__(self, shape: Shape, **options: Any) -> None:
        super().__init__(**options)
        self.dense = _dense(shape.intermediate, "dense")

    def call(self, hidden: Tensor) -> Tensor:
        return ops.gelu(self.dense(hidden), approximate=True)


class Residual(layers.Layer):  # type: ignore[misc]
    """A projection to the hidden width, dropout, and a normalised residual."""

    def __init__(self, shape: Shape, **options: Any) -> None:
        super().__init__(**options)
        self.dense = _dense(shape.hidden, "dense")
        self.dropout = layers.Dropout(shape.dropout, name="dropout")
        self.norm = layers.LayerNormalization(epsilon=_EPSILON, name="LayerNorm")

    def call(self, inputs: list[Tensor], training: bool = False) -> Tensor:
        hidden, residual = inputs
        return self.norm(ops.add(self.dropout(self.dense(hidden), training=training), residual))


class Head(layers.Layer):  # type: ignore[misc]
    """The masked-language head: `cls/predictions`."""

    def __init__(self, shape: Shape, **options: Any) -> None:
        super().__init__(**options)
        self.predictions = Predictions(shape, name="predictions")

    def call(self, inputs: list[Tensor]) -> Tensor:
        return self.predictions(inputs)


class Predictions(layers.Layer):  # type: ignore[misc]
    """Gathers the masked positions and scores the vocabulary for each."""

    def __init__(self, shape: Shape, **options: Any) -> None:
        super().__init__(**options)
        self.shape = shape
        self.transform = Transform(shape, name="transform")
        self.decoder = _dense(shape.vocabulary, "decoder")

    def call(self, inputs: list[Tensor]) -> Tensor:
        hidden, positions = inputs
        starts = ops.multiply(ops.arange(ops.shape(positions)[0]), self.shape.sequence)
        flat = ops.reshape(ops.add(positions, ops.expand_dims(starts, -1)), (-1,))
        masked = ops.take(hidden, flat, axis=0)
        logits = self.decoder(self.transform(masked))
        return ops.reshape(logits, (-1, self.shape.predictions, self.shape.vocabulary))


class Transform(layers.Layer):  # type: ignore[misc]
    """The head's own dense layer and normalisation."""

    def __init__(self, shape: Shape, **options: Any) -> None:
        super().__init__(**options)
        self.dense = _dense(shape.hidden, "dense")
        self.norm = layers.LayerNormalization(epsilon=_EPSILON, name="LayerNorm")

    def call(self, hidden: Tensor) -> Tensor:
        return self.norm(ops.gelu(self.dense(hidden), approximate=True))


def _dense(units: int, name: str) -> Any:
    return layers.Dense(
        units, kernel_initializer=keras.initializers.TruncatedNormal(stddev=_INITIALIZER_STDDEV), name=name
    )
