"""How large the demo's model is; the Keras and the graph-mode model are built from the same shape."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Shape:
    """The sizes of a BERT-like masked-language model.

    `predictions` is the number of masked positions per sequence that are predicted; google's BERT predicts
    15 % of the positions.
    """

    layers: int = 4
    hidden: int = 256
    heads: int = 4
    sequence: int = 128
    vocabulary: int = 8192
    predictions: int = 20
    dropout: float = 0.1

    def __post_init__(self) -> None:
        for name in ("layers", "hidden", "heads", "sequence", "vocabulary", "predictions"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}\nhint: every size of the model is at least 1")
        if self.hidden % self.heads:
            raise ValueError(
                f"hidden is {self.hidden}, heads is {self.heads}\nhint: hidden must be a multiple of heads"
            )
        if self.predictions > self.sequence:
            raise ValueError(
                f"predictions is {self.predictions}, sequence is {self.sequence}\n"
                "hint: no more positions can be predicted than a sequence has"
            )

    @property
    def head(self) -> int:
        """The width of one attention head."""
        return self.hidden // self.heads

    @property
    def intermediate(self) -> int:
        """The width of the feed-forward layer, four times the hidden one as in BERT."""
        return 4 * self.hidden
