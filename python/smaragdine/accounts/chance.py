"""How likely it is that two groups of runs differ by chance alone: the tests of the field, by SciPy.

Welch's t test (unequal variances), Mann–Whitney's U, a permutation test of the means, and a bootstrap interval of their
difference, as Henderson et al. (2018) and Colas et al. (2018) recommend for few runs. Seeds are fixed: the same runs
give the same numbers. P values of one family are corrected by Holm (1979).
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from itertools import combinations, pairwise
from typing import Any

from smaragdine.accounts.sample import Sample
from smaragdine.errors import SmaragdineError

LEVEL = 0.05
RESAMPLES = 9_999
_SEED = 20_240_414
_FEW = 5


@dataclass(frozen=True, slots=True)
class Chance:
    """One quantity of two groups; `difference` is B − A. None where a test cannot be made."""

    a: str
    b: str
    of_a: Sample
    of_b: Sample
    difference: float
    welch: tuple[float, float] | None = None
    """95 % interval of the difference."""
    bootstrap: tuple[float, float] | None = None
    """95 % interval of the difference, percentiles of resampled means."""
    p_welch: float | None = None
    p_mann_whitney: float | None = None
    p_permutation: float | None = None
    holm_welch: float | None = None
    holm_mann_whitney: float | None = None
    holm_permutation: float | None = None
    family: int = 1
    """Comparisons that were corrected together, this one included."""
    untested: str | None = None
    """Why nothing was tested."""

    @classmethod
    def of(cls, a: str, of_a: Sample, b: str, of_b: Sample) -> Chance:
        """Raises SmaragdineError where SciPy is not installed. Neither sample is empty."""
        if of_a.mean is None or of_b.mean is None:
            raise ValueError("a sample is empty")
        plain = cls(a, b, of_a, of_b, of_b.mean - of_a.mean)
        if alone := [name for name, sample in ((a, of_a), (b, of_b)) if sample.n < 2]:
            return replace(plain, untested=f"one run of {' and of '.join(alone)}: nothing can be tested")
        if not of_a.sd and not of_b.sd:
            return replace(plain, untested="all runs of each group are alike to the last digit: nothing can be tested")
        return replace(plain, **_tests(of_a.values, of_b.values))

    @property
    def ratio(self) -> float | None:
        """The difference as a share of A; None where A is 0."""
        return self.difference / abs(self.of_a.mean) if self.of_a.mean else None

    @property
    def differ(self) -> bool | None:
        """Beyond chance: Welch's p, corrected by Holm, is below 0.05. None where nothing was tested."""
        return None if self.holm_welch is None else self.holm_welch < LEVEL

    @property
    def least_p(self) -> float:
        """What permutations and, without ties, ranks can tell at least from so many runs, corrected for the family."""
        n, m = self.of_a.n, self.of_b.n
        return min(1.0, 2 * self.family / math.comb(n + m, n))

    @property
    def few(self) -> bool:
        """So few runs that resampling them gives too narrow an interval."""
        return min(self.of_a.n, self.of_b.n) < _FEW

    @property
    def verdict(self) -> str:
        """`cannot be told apart (p = 0.31)`, `differ beyond chance (p = 0.002)`, or why nothing was tested."""
        if self.holm_welch is None:
            return self.untested or "nothing can be tested"
        told = p_text(self.holm_welch)
        return f"differ beyond chance ({told})" if self.differ else f"cannot be told apart ({told})"

    @property
    def caveat(self) -> str | None:
        """What weakens the verdict."""
        if self.holm_welch is None:
            return None
        if self.least_p >= LEVEL:
            return "too few runs for ranks and permutations to tell anything"
        if self.differ and self.holm_permutation is not None and self.holm_permutation >= LEVEL:
            return "permutations do not confirm it"
        return None


def compare_all(groups: Mapping[str, Sample]) -> list[Chance]:
    """Every pair of groups, as one family. Groups without a value are left out."""
    known = [(name, sample) for name, sample in groups.items() if sample.n]
    pairs = [Chance.of(a, of_a, b, of_b) for (a, of_a), (b, of_b) in combinations(known, 2)]
    return _corrected(pairs)


def compare_ranked(groups: Sequence[tuple[str, Sample]]) -> list[Chance]:
    """Each with the one before it, as one family: one fewer than groups, of which none is empty."""
    return _corrected([Chance.of(a, of_a, b, of_b) for (a, of_a), (b, of_b) in pairwise(groups)])


def _corrected(pairs: list[Chance]) -> list[Chance]:
    tests = ("welch", "mann_whitney", "permutation")
    by_test = {f"holm_{test}": holm([getattr(pair, f"p_{test}") for pair in pairs]) for test in tests}
    fields: list[dict[str, Any]] = [{name: of[place] for name, of in by_test.items()} for place in range(len(pairs))]
    family = sum(pair.p_welch is not None for pair in pairs)
    return [replace(pair, **of, family=max(1, family)) for pair, of in zip(pairs, fields, strict=True)]


def holm(values: Sequence[float | None]) -> list[float | None]:
    """P values corrected for being one of several, by Holm's step-down; None stays, and is none of them."""
    ranked = sorted((value, place) for place, value in enumerate(values) if value is not None)
    corrected: list[float | None] = [None] * len(values)
    most = 0.0
    for rank, (value, place) in enumerate(ranked):
        most = max(most, min(1.0, (len(ranked) - rank) * value))
        corrected[place] = most
    return corrected


def p_text(value: float) -> str:
    return "p < 0.0001" if value < 1e-4 else f"p = {value:.2g}"


def require_scipy() -> None:
    """Raises SmaragdineError where it is not installed."""
    if find_spec("scipy") is None:
        raise SmaragdineError(
            "significance tests need SciPy, which is not installed", "pip install 'smaragdine[appendix]'"
        )


def _tests(a: Sequence[float], b: Sequence[float]) -> dict[str, Any]:
    require_scipy()
    import numpy as np
    from scipy import stats

    def difference(x: Any, y: Any, axis: int = -1) -> Any:
        return np.mean(y, axis=axis) - np.mean(x, axis=axis)

    # Energies of a small run are of the order of 1e-6 kWh; statistics are the same in any unit.
    unit = max(map(abs, (*a, *b)))
    x, y = np.array(a) / unit, np.array(b) / unit
    with warnings.catch_warnings():
        # What SciPy warns of (ties, no variance in one group) shows as a value that is no number.
        warnings.simplefilter("ignore")
        welch = stats.ttest_ind(y, x, equal_var=False)
        between = welch.confidence_interval(0.95)
        ranks = stats.mannwhitneyu(x, y, alternative="two-sided")
        permuted = stats.permutation_test(
            (x, y), difference, vectorized=True, n_resamples=RESAMPLES, rng=np.random.default_rng(_SEED)
        )
        resampled = stats.bootstrap(
            (x, y), difference, vectorized=True, n_resamples=RESAMPLES, method="percentile",
            rng=np.random.default_rng(_SEED),
        ).confidence_interval  # fmt: skip
    return {
        "welch": _bounds(between.low * unit, between.high * unit),
        "bootstrap": _bounds(resampled.low * unit, resampled.high * unit),
        "p_welch": _known(welch.pvalue),
        "p_mann_whitney": _known(ranks.pvalue),
        "p_permutation": _known(permuted.pvalue),
    }


def _known(value: Any) -> float | None:
    return float(value) if math.isfinite(value) else None


def _bounds(low: Any, high: Any) -> tuple[float, float] | None:
    return (float(low), float(high)) if math.isfinite(low) and math.isfinite(high) else None
