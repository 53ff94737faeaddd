"""How often a register moves, and how late it is: from what was read of it beside a load of known times. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

Array = Any
# What is tried, in seconds.
LAGS_S = np.arange(-0.05, 0.3, 0.0025)
WIDTHS_S = (0.0, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1.0)


@dataclass(frozen=True)
class Updates:
    """Times between a register's changes, in milliseconds: the 5th, 50th and 95th of a hundred, and the longest."""

    count: int
    p5_ms: float
    p50_ms: float
    p95_ms: float
    longest_ms: float


@dataclass(frozen=True)
class Lateness:
    """What shows in a register at some moment is the mean of the `width_s` that ended `lag_s` before.

    `error_s` is how far the lag may be off by what was fitted (chi-squared one above the least, errors as they are),
    `unexplained` the residual's part of the variance. `low` and `high` are what it tells at rest and at work.
    """

    lag_s: float
    width_s: float
    error_s: float
    unexplained: float
    low: float
    high: float


def updates(times_s: Array, values: Array) -> Updates | None:
    """Of values that were read at these times; None where fewer than three changes were seen."""
    changed = np.flatnonzero(np.diff(values)) + 1
    between_ms = 1e3 * np.diff(np.asarray(times_s)[changed])
    if len(between_ms) < 2:
        return None
    p5, p50, p95 = np.quantile(between_ms, [0.05, 0.5, 0.95])
    return Updates(len(changed), float(p5), float(p50), float(p95), float(between_ms.max()))


def first_reads(times_s: Array, values: Array) -> tuple[Array, Array]:
    """The moments at which a register was seen to be new: in the middle between that look and the one before."""
    times_s, values = np.asarray(times_s, float), np.asarray(values, float)
    changed = np.flatnonzero(np.diff(values)) + 1
    return (times_s[changed] + times_s[changed - 1]) / 2, values[changed]


def lateness_of_power(times_s: Array, power_w: Array, busy_s: Array) -> Lateness:
    """Of a power that was seen at these times, where a load ran from and to the rows of `busy_s`."""

    def share(lag_s: float, width_s: float) -> Array:
        ends = np.asarray(times_s, float) - lag_s
        width_s = max(width_s, 1e-4)
        return (busy_before(ends, busy_s) - busy_before(ends - width_s, busy_s)) / width_s

    return _best(share, np.asarray(power_w, float), WIDTHS_S, np.ones(len(power_w)))


def lateness_of_energy(times_s: Array, energy_j: Array, busy_s: Array) -> Lateness:
    """Of a counter that was seen to move to these values: its mean power between two moves is fitted."""
    times_s, energy_j = np.asarray(times_s, float), np.asarray(energy_j, float)
    length_s = np.diff(times_s)
    keep = length_s > 1e-4
    power_w = np.diff(energy_j)[keep] / length_s[keep]

    def share(lag_s: float, _: float) -> Array:
        busy = busy_before(times_s - lag_s, busy_s)
        return np.diff(busy)[keep] / length_s[keep]

    return _best(share, power_w, (0.0,), length_s[keep])


def busy_before(times_s: Array, busy_s: Array) -> Array:
    """For how long the load had run at each of these times."""
    edges = np.asarray(busy_s, float)
    grid = edges.ravel()
    ran = np.cumsum(np.column_stack([np.zeros(len(edges)), edges[:, 1] - edges[:, 0]]).ravel())
    return np.interp(times_s, grid, ran)


def _best(share: Any, power_w: Array, widths_s: Any, weights: Array) -> Lateness:
    found = []
    mean = np.average(power_w, weights=weights)
    variance = np.average((power_w - mean) ** 2, weights=weights)
    for width_s in widths_s:
        for lag_s in LAGS_S:
            column = share(lag_s, width_s)
            middle = np.average(column, weights=weights)
            spread = np.average((column - middle) ** 2, weights=weights)
            slope = np.average((column - middle) * (power_w - mean), weights=weights) / spread if spread else 0.0
            residual = np.average((power_w - mean - slope * (column - middle)) ** 2, weights=weights)
            found.append((float(residual), float(lag_s), float(width_s), float(slope), float(middle)))
    least, lag_s, width_s, slope, middle = min(found)
    near = [one for one in found if one[2] == width_s and one[0] <= least * (1 + 1 / len(power_w))]
    error_s = max(float(LAGS_S[1] - LAGS_S[0]) / 2, (max(one[1] for one in near) - min(one[1] for one in near)) / 2)
    low = mean - slope * middle
    unexplained = least / variance if variance else 1.0
    return Lateness(lag_s, width_s, error_s, float(unexplained), float(low), float(low + slope))
