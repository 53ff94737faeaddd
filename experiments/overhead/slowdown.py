"""The two figures of slowdown, from durations alone: no clock, no file, no TensorFlow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

# A slower step is compared with the median of so many usual ones around it: the machine's speed drifts.
NEIGHBOURS = 10
RESAMPLES = 10_000


@dataclass(frozen=True)
class OwnCost:
    """What the callback itself takes from a training, in seconds, over `steps` steps of which `traced` were traced."""

    steps: int
    traced: int
    step_s: float
    own_s: float
    excess_s: float

    @property
    def fraction(self) -> float:
        """Own time on the training thread and excess of slower steps ÷ all step time."""
        return (self.own_s + self.excess_s) / self.step_s

    @property
    def traced_share(self) -> float:
        return self.traced / self.steps


def own_cost(
    step_s: Sequence[float], traced: Sequence[bool], own_s: Sequence[float], stopping: Sequence[bool] | None = None
) -> OwnCost:
    """Adds up what each step took, whether it was traced, and what the callback took before it, all in order of steps.

    `stopping`: whether a profiler was being stopped in the background while a step ran. The excess of such a step, and
    of a traced one, is its duration less the median of the nearest other steps; it may be negative. Raises `ValueError`
    where lengths differ or no other step is left.
    """
    steps, marks, own = np.asarray(step_s, float), np.asarray(traced, bool), np.asarray(own_s, float)
    slower = marks if stopping is None else marks | np.asarray(stopping, bool)
    if not len(steps) == len(marks) == len(own):
        raise ValueError(f"{len(steps)} steps, {len(marks)} marks and {len(own)} own times do not belong together")
    usual = np.flatnonzero(~slower)
    if not len(usual):
        raise ValueError("every step was traced, so there is nothing to compare with; run for longer")
    excess = 0.0
    for number in np.flatnonzero(slower):
        nearest = usual[np.argsort(np.abs(usual - number), kind="stable")[:NEIGHBOURS]]
        excess += float(steps[number] - np.median(steps[nearest]))
    return OwnCost(len(steps), int(marks.sum()), float(steps.sum()), float(own.sum()), excess)


@dataclass(frozen=True)
class PairedRatio:
    """Time with ÷ time without, over `pairs` pairs of neighbouring blocks, with its 95 % interval `low` … `high`."""

    pairs: int
    ratio: float
    low: float
    high: float
    median: float


def paired_ratio(on_s: Sequence[float], off_s: Sequence[float], *, seed: int = 0) -> PairedRatio:
    """Compares blocks with the callback to the block without it beside each.

    `ratio` is the ratio of sums: few blocks hold a traced window, and a median would not see its cost. The interval is
    a bootstrap over pairs, which keeps what both blocks of a pair have in common. `median` is that of the pairs' own
    ratios, for comparison. Raises `ValueError` for fewer than two pairs.
    """
    on, off = np.asarray(on_s, float), np.asarray(off_s, float)
    if len(on) != len(off) or len(on) < 2:
        raise ValueError(f"{len(on)} blocks with and {len(off)} without the callback are not two pairs or more")
    draws = np.random.default_rng(seed).integers(0, len(on), (RESAMPLES, len(on)))
    low, high = np.quantile(on[draws].sum(axis=1) / off[draws].sum(axis=1), [0.025, 0.975])
    return PairedRatio(len(on), float(on.sum() / off.sum()), float(low), float(high), float(np.median(on / off)))


def alternating(pairs: int) -> list[bool]:
    """Which blocks run with the callback: on, off, off, on, on, off …, so that a drift favours neither."""
    return [on for pair in range(pairs) for on in ((True, False) if pair % 2 == 0 else (False, True))]
