"""The models of the table: each small enough for two cores, none of them written for this project's names."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import layers, ops

# keras comes without usable types; tensors, layers and models are Any throughout this module.
Tensor = Any

BATCH = 8
CLASSES = 10
PIXELS = 64
TOKENS = 64
VOCABULARY = 8000


@dataclass(frozen=True)
class Data:
    """Random examples in the shapes that a model takes, `targets` in its classes, `batches` × `BATCH` of them."""

    examples: Any
    targets: Any

    def batches(self) -> Iterator[tuple[Any, Any]]:
        for start in range(0, len(self.targets), BATCH):
            part = slice(start, start + BATCH)
            yield keras.tree.map_structure(lambda array: array[part], self.examples), self.targets[part]  # noqa: B023


@dataclass(frozen=True)
class Subject:
    """A model, uncompiled, with random weights, that gives logits; and what it is trained on."""

    build: Callable[[], Any]
    data: Callable[[int], Data]


def images(batches: int) -> Data:
    random = np.random.default_rng(0)
    pixels = random.random((batches * BATCH, PIXELS, PIXELS, 3), "float32")
    return Data(pixels, random.integers(0, CLASSES, batches * BATCH))


def masks(batches: int) -> Data:
    random = np.random.default_rng(0)
    pixels = random.random((batches * BATCH, PIXELS, PIXELS, 3), "float32")
    return Data(pixels, random.integers(0, CLASSES, (batches * BATCH, PIXELS, PIXELS)))


def sentences(batches: int) -> Data:
    random = np.random.default_rng(0)
    tokens = random.integers(1, VOCABULARY, (batches * BATCH, TOKENS), "int32")
    return Data(tokens, random.integers(0, CLASSES, batches * BATCH))


def marked_sentences(batches: int) -> Data:
    plain = sentences(batches)
    tokens = {
        "token_ids": plain.examples,
        "segment_ids": np.zeros_like(plain.examples),
        "padding_mask": np.ones_like(plain.examples),
    }
    return Data(tokens, plain.targets)


def application(name: str) -> Callable[[], Any]:
    def build() -> Any:
        return getattr(keras.applications, name)(
            weights=None, input_shape=(PIXELS, PIXELS, 3), classes=CLASSES, classifier_activation=None
        )

    return build


def bert() -> Any:
    """keras_hub's backbone under a head of one layer."""
    try:
        import keras_hub
    except ImportError as error:
        raise ImportError("keras-hub is not installed; hint: `make coverage` does that") from error

    backbone = keras_hub.models.BertBackbone(
        vocabulary_size=VOCABULARY,
        num_layers=4,
        num_heads=4,
        hidden_dim=256,
        intermediate_dim=1024,
        max_sequence_length=TOKENS,
    )
    logits = layers.Dense(CLASSES, name="logits")(backbone.output["pooled_output"])
    return keras.Model(backbone.input, logits, name="bert")


def lstm() -> Any:
    return keras.Sequential(
        [
            keras.Input((TOKENS,), dtype="int32"),
            layers.Embedding(VOCABULARY, 128, name="words"),
            layers.Bidirectional(layers.LSTM(128, return_sequences=True), name="reader"),
            layers.LSTM(128, name="summary"),
            layers.Dense(CLASSES, name="logits"),
        ],
        name="lstm",
    )


def unet() -> Any:
    """Three levels; each passes its features across to the level of the same size."""

    def double(hidden: Tensor, width: int, name: str) -> Tensor:
        for index in range(2):
            hidden = layers.Conv2D(width, 3, padding="same", use_bias=False, name=f"{name}_conv_{index}")(hidden)
            hidden = layers.BatchNormalization(name=f"{name}_norm_{index}")(hidden)
            hidden = layers.ReLU(name=f"{name}_relu_{index}")(hidden)
        return hidden

    image = hidden = keras.Input((PIXELS, PIXELS, 3), name="image")
    across = []
    for level, width in enumerate((16, 32, 64)):
        hidden = double(hidden, width, f"down_{level}")
        across.append(hidden)
        hidden = layers.MaxPooling2D(name=f"pool_{level}")(hidden)
    hidden = double(hidden, 128, "bottom")
    for level, width in ((2, 64), (1, 32), (0, 16)):
        hidden = layers.Conv2DTranspose(width, 2, strides=2, name=f"up_{level}")(hidden)
        hidden = double(layers.Concatenate(name=f"skip_{level}")([across[level], hidden]), width, f"join_{level}")
    return keras.Model(image, layers.Conv2D(CLASSES, 1, name="logits")(hidden), name="unet")


class Mixer(layers.Layer):  # type: ignore[misc]
    """Mixes tokens, then channels, each around a residual."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.norms = [layers.LayerNormalization(name=f"norm_{index}") for index in range(2)]
        self.tokens = layers.Dense(TOKENS, activation="gelu", name="tokens")
        self.channels = layers.Dense(128, activation="gelu", name="channels")
        self.dropout = layers.Dropout(0.1, name="dropout")

    def call(self, hidden: Tensor, training: bool = False) -> Tensor:
        across = self.tokens(ops.transpose(self.norms[0](hidden), (0, 2, 1)))
        hidden = hidden + ops.transpose(across, (0, 2, 1))
        return hidden + self.dropout(self.channels(self.norms[1](hidden)), training=training)


class Mixers(keras.Model):  # type: ignore[misc]
    """A subclassed model: its layers are attributes and lists, its graph is what `call` does."""

    def __init__(self) -> None:
        super().__init__(name="mixers")
        self.words = layers.Embedding(VOCABULARY, 128, name="words")
        self.blocks = [Mixer(name=f"block_{index}") for index in range(3)]
        self.heads = {"logits": layers.Dense(CLASSES, name="logits")}

    def call(self, tokens: Tensor, training: bool = False) -> Tensor:
        hidden = self.words(tokens)
        for block in self.blocks:
            hidden = block(hidden, training=training)
        return self.heads["logits"](ops.mean(hidden, axis=1))


def twins() -> Any:
    """A model inside a model, and one that is called twice."""
    image = keras.Input((PIXELS // 2, PIXELS, 3), name="half")
    features = layers.Conv2D(32, 3, activation="relu", name="conv_0")(image)
    features = layers.Conv2D(64, 3, strides=2, activation="relu", name="conv_1")(features)
    encoder = keras.Model(image, layers.GlobalAveragePooling2D(name="pool")(features), name="encoder")
    head = keras.Sequential([layers.Dense(64, activation="relu"), layers.Dense(CLASSES)], name="head")

    whole = keras.Input((PIXELS, PIXELS, 3), name="image")
    halves = [whole[:, : PIXELS // 2], whole[:, PIXELS // 2 :]]
    both = layers.Concatenate(name="both")([encoder(half) for half in halves])
    return keras.Model(whole, head(both), name="twins")


SUBJECTS = {
    "mobilenetv2": Subject(application("MobileNetV2"), images),
    "resnet50": Subject(application("ResNet50"), images),
    "efficientnetb0": Subject(application("EfficientNetB0"), images),
    "bert": Subject(bert, marked_sentences),
    "lstm": Subject(lstm, sentences),
    "unet": Subject(unet, masks),
    "mixers": Subject(Mixers, sentences),
    "twins": Subject(twins, images),
}
