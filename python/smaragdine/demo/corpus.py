"""The demo's text: the sources of the Python standard library, which every machine that runs Python has.

Tokens are identifiers, numbers and signs; the vocabulary holds the most frequent ones. The same interpreter gives the
same batches.
"""

from __future__ import annotations

import re
import sysconfig
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int32]

UNKNOWN, MASK = 0, 1
_SPECIAL = ("[UNK]", "[MASK]")
_TOKEN = re.compile(r"[A-Za-z]+|[0-9]|[^\sA-Za-z0-9]|\n +|\n")


@dataclass(frozen=True)
class Corpus:
    """Tokenised text. `tokens` is one long int32 array of indices into `vocabulary`."""

    vocabulary: list[str]
    tokens: Ints

    @classmethod
    def load(cls, vocabulary: int, *, limit: int = 4_000_000, root: Path | None = None) -> Corpus:
        """Reads the standard library's top-level modules, in order of name, until `limit` characters.

        Raises `FileNotFoundError` where the standard library has no sources.
        """
        root = root or Path(sysconfig.get_paths()["stdlib"])
        texts = list(_sources(root, limit))
        if not texts:
            raise FileNotFoundError(
                f"no Python sources in {root}\nhint: use a Python whose standard library is installed as .py files"
            )
        return cls.of(texts, vocabulary)

    @classmethod
    def of(cls, texts: Iterable[str], vocabulary: int) -> Corpus:
        """Texts one after the other; the vocabulary holds their most frequent tokens."""
        words = _TOKEN.findall("\n".join(texts))
        # Equally frequent tokens in order of the text would differ with the limit; sort them.
        frequent = sorted(Counter(words).items(), key=lambda pair: (-pair[1], pair[0]))
        corpus = cls([*_SPECIAL, *(word for word, _ in frequent)][:vocabulary], np.empty(0, np.int32))
        return replace(corpus, tokens=corpus._numbers(words))

    def tokenize(self, text: str) -> Ints:
        """Indices into the vocabulary."""
        return self._numbers(_TOKEN.findall(text))

    def _numbers(self, words: Sequence[str]) -> Ints:
        index = {name: number for number, name in enumerate(self.vocabulary)}
        return np.fromiter((index.get(word, UNKNOWN) for word in words), np.int32, len(words))

    def batch(self, number: int, *, batch: int, sequence: int, predictions: int, seed: int = 0) -> Batch:
        """The masked batch of this number: a function of its arguments alone."""
        random = np.random.default_rng((seed, number))
        if len(self.tokens) <= sequence:
            raise ValueError(
                f"the corpus has {len(self.tokens)} tokens, a sequence {sequence}\nhint: load more text, or shorten it"
            )
        starts = random.integers(0, len(self.tokens) - sequence, batch)
        return self.masked(self.tokens[starts[:, None] + np.arange(sequence)], predictions, random)

    def masked(self, tokens: Ints, predictions: int, random: np.random.Generator) -> Batch:
        """Sequences (batch, sequence) with so many positions of each masked."""
        tokens = tokens.copy()
        # The first `predictions` of a random permutation, in order of position.
        positions = np.sort(np.argsort(random.random(tokens.shape), axis=1)[:, :predictions]).astype(np.int32)
        labels = np.take_along_axis(tokens, positions, axis=1)
        # As in BERT: 80 % are masked, 10 % replaced, 10 % kept.
        fate = random.random(labels.shape)
        noise = random.integers(len(_SPECIAL), max(len(self.vocabulary), len(_SPECIAL) + 1), labels.shape)
        shown = np.where(fate < 0.8, MASK, np.where(fate < 0.9, noise, labels)).astype(np.int32)
        np.put_along_axis(tokens, positions, shown, axis=1)
        return Batch(tokens, positions, labels)

    def batches(
        self, steps: int, *, batch: int, sequence: int, predictions: int, seed: int = 0
    ) -> Iterator[tuple[dict[str, Ints], Ints]]:
        """`steps` batches as Keras takes them: (inputs, labels)."""
        for number in range(steps):
            made = self.batch(number, batch=batch, sequence=sequence, predictions=predictions, seed=seed)
            yield made.inputs, made.labels

    def arrays(
        self, steps: int, *, batch: int, sequence: int, predictions: int, seed: int = 0
    ) -> tuple[dict[str, Ints], Ints]:
        """All batches at once, for `model.fit(x, y, batch_size=batch, shuffle=False)`."""
        made = self.batch(0, batch=steps * batch, sequence=sequence, predictions=predictions, seed=seed)
        return made.inputs, made.labels


@dataclass(frozen=True)
class Batch:
    """Masked sequences (batch, sequence), the masked positions and their true tokens (batch, predictions)."""

    tokens: Ints
    positions: Ints
    labels: Ints

    @property
    def inputs(self) -> dict[str, Ints]:
        return {"tokens": self.tokens, "positions": self.positions}


def _sources(root: Path, limit: int) -> Iterator[str]:
    read = 0
    for path in sorted(root.glob("*.py")):
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            continue
        yield text[: limit - read]
        read += len(text)
        if read >= limit:
            return
