"""How large the Transformer is, in PyTorch and in Flax."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Size:
    """Width, layers, heads, tokens of an example, examples, words."""

    width: int
    layers: int
    heads: int
    tokens: int
    batch: int
    words: int


# 0.4 G parameters and 8,192 tokens: 2e13 FLOP a step, so that a large GPU has more to do than the CPU that feeds it.
LARGE = Size(width=2048, layers=8, heads=16, tokens=512, batch=16, words=8192)
SMALL = Size(width=64, layers=2, heads=4, tokens=32, batch=4, words=100)
