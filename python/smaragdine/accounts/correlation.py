"""How alike two series of numbers are: Pearson's r of their values, Spearman's of their ranks. Pure arithmetic."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


def pearson(one: ArrayLike, other: ArrayLike) -> float | None:
    """In −1…1; None where a series has fewer than two numbers or does not vary."""
    a, b = np.asarray(one, dtype=np.float64), np.asarray(other, dtype=np.float64)
    if len(a) < 2 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return None
    a, b = a - a.mean(), b - b.mean()
    return float(np.clip(a @ b / np.sqrt((a @ a) * (b @ b)), -1.0, 1.0))


def spearman(one: ArrayLike, other: ArrayLike) -> float | None:
    """The same of ranks, equal numbers sharing the mean of theirs: 1 where one never falls while the other rises."""
    return pearson(_ranks(one), _ranks(other))


def _ranks(values: ArrayLike) -> NDArray[np.float64]:
    _, place, counts = np.unique(np.asarray(values, dtype=np.float64), return_inverse=True, return_counts=True)
    last = np.cumsum(counts).astype(np.float64)
    ranks: NDArray[np.float64] = (last - (counts - 1) / 2)[place]
    return ranks
