"""What models are fed: pairs of stretches of text with masked words, and sentences with a class.

Without data of the user's own, text is the demo's: the sources of Python's standard library. Energy depends on the
shapes of batches, not on what is in them; classes are then made up.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from smaragdine.demo.corpus import UNKNOWN, Corpus, Ints

from .size import Size

_SHORTEST, _LONGEST = 5, 15


@dataclass(frozen=True)
class Pairs:
    """Two segments a sequence, half of them in the order of the text: int32.

    `tokens`, `mask`, `segments` (batch, sequence); `positions`, `words` (batch, predictions); `follows` (batch,).
    """

    tokens: Ints
    mask: Ints
    segments: Ints
    positions: Ints
    words: Ints
    follows: Ints


@dataclass(frozen=True)
class Sentences:
    """Padded sentences with their class: int32 (batch, sequence), `classes` (batch,)."""

    tokens: Ints
    mask: Ints
    segments: Ints
    classes: Ints


@dataclass(frozen=True)
class Texts:
    """Where batches come from; the batch of a number is always the same."""

    corpus: Corpus
    sentences: list[tuple[Ints, int]] = field(default_factory=list)
    """Tokens and class; empty: made up."""

    @classmethod
    def load(cls, size: Size, pretrain_data: Path | None = None, cola: Path | None = None) -> Texts:
        """`pretrain_data`: a text file, or a folder of them; `cola`: a file of CoLA, such as in_domain_train.tsv.

        Raises `OSError` where a file cannot be read, `ValueError` where it holds too little or is not in that form.
        """
        labelled = list(_cola(cola)) if cola else []
        if pretrain_data:
            files = sorted(pretrain_data.rglob("*.txt")) if pretrain_data.is_dir() else [pretrain_data]
            corpus = Corpus.of((file.read_text(encoding="utf-8") for file in files), size.vocabulary)
            if len(corpus.tokens) <= size.sequence:
                raise ValueError(f"{pretrain_data} has {len(corpus.tokens)} tokens\nhint: name a file with more text")
        elif labelled:
            corpus = Corpus.of((text for text, _ in labelled), size.vocabulary)
        else:
            corpus = Corpus.load(size.vocabulary)
        return cls(corpus, [(corpus.tokenize(text), label) for text, label in labelled])

    def pairs(self, number: int, size: Size) -> Pairs:
        random = np.random.default_rng((0, number))
        half = size.sequence // 2
        starts = random.integers(0, len(self.corpus.tokens) - size.sequence, size.batch)
        follows = random.integers(0, 2, size.batch).astype(np.int32)
        elsewhere = random.integers(0, len(self.corpus.tokens) - size.sequence, size.batch)
        seconds = np.where(follows == 1, starts + half, elsewhere)
        place = np.arange(size.sequence)
        tokens = self.corpus.tokens[np.where(place < half, starts[:, None] + place, seconds[:, None] + place - half)]
        masked = self.corpus.masked(tokens, size.predictions, random)
        segments = np.broadcast_to((place >= half).astype(np.int32), tokens.shape)
        return Pairs(masked.tokens, np.ones_like(tokens), segments, masked.positions, masked.labels, follows)

    def classified(self, number: int, size: Size) -> Sentences:
        random = np.random.default_rng((1, number))
        tokens = np.full((size.batch, size.sequence), UNKNOWN, np.int32)
        mask = np.zeros_like(tokens)
        classes = np.zeros(size.batch, np.int32)
        for row in range(size.batch):
            sentence, classes[row] = self._sentence(random)
            length = min(len(sentence), size.sequence)
            tokens[row, :length], mask[row, :length] = sentence[:length], 1
        return Sentences(tokens, mask, np.zeros_like(tokens), classes)

    def _sentence(self, random: np.random.Generator) -> tuple[Ints, int]:
        if self.sentences:
            return self.sentences[int(random.integers(len(self.sentences)))]
        start = int(random.integers(0, len(self.corpus.tokens) - _LONGEST))
        return self.corpus.tokens[start : start + int(random.integers(_SHORTEST, _LONGEST))], int(random.integers(2))


def _cola(path: Path) -> Iterator[tuple[str, int]]:
    """Lines of source, label, the author's mark, and sentence."""
    with path.open(encoding="utf-8", newline="") as lines:
        for number, row in enumerate(csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE), 1):
            if len(row) != 4 or row[1] not in ("0", "1"):
                raise ValueError(
                    f"{path}, line {number}: not source, label, mark and sentence\nhint: name a .tsv file of CoLA"
                )
            yield row[3], int(row[1])
