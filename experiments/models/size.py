"""How large a model is, and what a step takes in; every model here is built from it."""

from __future__ import annotations

from dataclasses import dataclass

from smaragdine.demo.shape import Shape


@dataclass(frozen=True)
class Size(Shape):
    """The sizes of BERT or ALBERT. `batch` is the number of sequences in a step.

    `embedding` is the width of ALBERT's embeddings, `groups` how many transformers of it have parameters of their own,
    `inner_groups` how many transformers a group has; BERT has none of the three.
    """

    batch: int = 32
    embedding: int = 128
    groups: int = 1
    inner_groups: int = 1

    def __post_init__(self) -> None:
        # `super()` knows no class that slots or decorators made anew.
        Shape.__post_init__(self)
        for name in ("batch", "embedding", "groups", "inner_groups"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}\nhint: every size of the model is at least 1")
        if self.groups > self.layers:
            raise ValueError(f"groups is {self.groups}, layers is {self.layers}\nhint: a group has at least one layer")
