"""One register that several recordings watched: its energy once, whoever looked at it and for how long.

Each watcher knows the register's energy over its own readings, and the share of its own application there. Together
they know it over the union of what they watched; their applications' energies add, what the register took does not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

# Among so many of two watchers' readings some end at nearly the same instant.
_LOOK_BACK = 2500


@dataclass(frozen=True, slots=True)
class Watched:
    """Readings of one register by one watcher, in order of time, none overlapping. Arrays of equal length."""

    start_ns: NDArray[np.int64]
    end_ns: NDArray[np.int64]
    energy_j: Floats
    app_share: Floats
    """Fractions of each reading's energy; NaN where unknown, as in the following."""
    daemon_share: Floats
    idle_share: Floats
    gap: NDArray[np.bool_]
    """The energy of the interval is not known."""

    @property
    def unknown(self) -> NDArray[np.bool_]:
        """Whose the energy is, is not known."""
        return self.gap | np.isnan(self.app_share)

    def of(self, share: Floats) -> Floats:
        """Joules by reading of one share; none where that, or the energy, is unknown."""
        return np.where(self.unknown | np.isnan(share), 0.0, self.energy_j * np.nan_to_num(share))

    def between(self, values: Floats, edges_ns: NDArray[np.int64]) -> Floats:
        """What of `values`, an amount of each reading, lies between each pair of consecutive edges.

        An amount is spread evenly over its reading. Shape: one less than the edges.
        """
        if not len(self.start_ns):
            return np.zeros(max(0, len(edges_ns) - 1))
        before = np.concatenate([[0.0], np.cumsum(values)])
        at = np.searchsorted(self.start_ns, edges_ns, side="right") - 1
        own = np.maximum(at, 0)
        length = np.maximum(self.end_ns[own] - self.start_ns[own], 1)
        part = np.clip((edges_ns - self.start_ns[own]) / length, 0.0, 1.0)
        reached = np.where(at < 0, 0.0, before[own] + values[own] * part)
        return np.diff(reached)


class Piece(NamedTuple):
    """A stretch over which one watcher is believed."""

    watcher: int
    start_ns: int
    end_ns: int


@dataclass(frozen=True, slots=True)
class Register:
    """What all watchers of a register know of it together; joules."""

    start_ns: NDArray[np.int64]
    end_ns: NDArray[np.int64]
    energy_j: Floats
    app_j: Floats
    """Of all watchers' applications."""
    daemon_j: Floats
    idle_j: Floats
    gap: NDArray[np.bool_]
    pieces: tuple[Piece, ...]
    """Who is believed from when to when; where the register's energy is a gap to everybody, that is told as a gap."""
    missing: tuple[tuple[int, int], ...]
    """Stretches, from and to, between the first reading and the last that nobody watched."""
    unknown_j: float
    """Where the energy is known, but not how much of it was the application of somebody who watched."""

    @property
    def known_j(self) -> float:
        return float(self.energy_j[~self.gap].sum())

    @property
    def gap_j(self) -> float:
        return float(self.energy_j[self.gap].sum())


def together(watchers: Sequence[Watched], daemons: Sequence[Sequence[int]] = ()) -> Register:
    """The register by everything that `watchers` saw of it.

    `daemons` are the watchers that each daemon served, by number.
    """
    begin = min((int(w.start_ns[0]) for w in watchers if len(w.start_ns)), default=0)
    end = max((int(w.end_ns[-1]) for w in watchers if len(w.end_ns)), default=0)
    every: list[Piece] = []
    # Whoever knows most is believed; who knows nothing tells at least when.
    for believed in (
        [~w.unknown for w in watchers],
        [w.unknown & ~w.gap for w in watchers],
        [w.gap for w in watchers],
    ):
        runs = list(_runs(watchers, believed))
        every += [piece for hole in list(_holes(every, begin, end)) for piece in _cover(watchers, runs, *hole)]
        every.sort(key=lambda piece: piece.start_ns)
    parts = [_clipped(watchers[piece.watcher], piece) for piece in every]
    start_ns = np.concatenate([part[0] for part in parts]) if parts else np.zeros(0, np.int64)
    end_ns = np.concatenate([part[1] for part in parts]) if parts else np.zeros(0, np.int64)
    energy_j = np.concatenate([part[2] for part in parts]) if parts else np.zeros(0)
    idle_j = np.concatenate([part[3] for part in parts]) if parts else np.zeros(0)
    is_gap = np.concatenate([part[4] for part in parts]) if parts else np.zeros(0, np.bool_)
    app_j = sum((_over(w, w.of(w.app_share), start_ns, end_ns) for w in watchers), np.zeros(len(start_ns)))
    daemon_j = np.zeros(len(start_ns))
    for served in daemons or [[number] for number in range(len(watchers))]:
        # What one daemon took is in the readings of everybody whom it served.
        taken = [_over(watchers[number], watchers[number].of(watchers[number].daemon_share), start_ns, end_ns)
                 for number in served]  # fmt: skip
        daemon_j += np.max(taken, axis=0) if taken else 0.0
    doubtful = _merged(
        (int(start), int(stop))
        for w in watchers
        for start, stop in zip(w.start_ns[w.unknown], w.end_ns[w.unknown], strict=True)
    )
    from_ns, to_ns = (np.array(ends, np.int64) for ends in (zip(*doubtful, strict=True) if doubtful else ((), ())))
    none = np.full(len(energy_j), np.nan)
    register = Watched(start_ns, end_ns, energy_j, none, none, none, is_gap)
    # Of what is doubtful, nobody's idle time and what some know to be their own is not.
    rest_j = _over(register, np.where(is_gap, 0.0, energy_j - idle_j - daemon_j), from_ns, to_ns)
    for w in watchers:
        rest_j = rest_j - _over(w, w.of(w.app_share), from_ns, to_ns)
    return Register(
        start_ns, end_ns, energy_j, app_j, daemon_j, idle_j, is_gap, tuple(every), tuple(_holes(every, begin, end)),
        float(np.maximum(0.0, rest_j).sum()),
    )  # fmt: skip


def _runs(watchers: Sequence[Watched], believed: Sequence[NDArray[np.bool_]]) -> Iterator[Piece]:
    """Stretches without a hole over each watcher's readings that are believed."""
    for number, w in enumerate(watchers):
        chosen = np.flatnonzero(believed[number])
        if not len(chosen):
            continue
        ends = (np.diff(chosen) > 1) | (w.start_ns[chosen[1:]] != w.end_ns[chosen[:-1]])
        first = chosen[np.concatenate([[True], ends])]
        last = chosen[np.concatenate([ends, [True]])]
        yield from (
            Piece(number, int(start), int(stop)) for start, stop in zip(w.start_ns[first], w.end_ns[last], strict=True)
        )


def _cover(watchers: Sequence[Watched], runs: Iterable[Piece], begin: int, end: int) -> list[Piece]:
    """Stretches of `runs` that cover what they can between two instants, each once, with the fewest changes."""
    waiting = sorted(
        (run for run in runs if run.end_ns > begin and run.start_ns < end), key=lambda run: (run.start_ns, -run.end_ns)
    )
    pieces: list[Piece] = []
    at, best, next_run = begin, None, 0
    while at < end:
        while next_run < len(waiting) and waiting[next_run].start_ns <= at:
            if best is None or waiting[next_run].end_ns > best.end_ns:
                best = waiting[next_run]
            next_run += 1
        if best is not None and best.end_ns > at:
            if pieces and pieces[-1].end_ns == at:
                last = pieces.pop()
                earliest = max(best.start_ns, last.start_ns)
                at = _change(watchers[last.watcher], watchers[best.watcher], earliest, at)
                pieces.append(last._replace(end_ns=at))
            pieces.append(Piece(best.watcher, at, min(best.end_ns, end)))
            at = pieces[-1].end_ns
        elif next_run < len(waiting):
            at = waiting[next_run].start_ns
        else:
            break
    return [piece for piece in pieces if piece.end_ns > piece.start_ns]


def _change(a: Watched, b: Watched, earliest_ns: int, latest_ns: int) -> int:
    """When to go over from one watcher to the next: where a reading of both ends at the same instant, or nearly so.

    In the middle of a reading it is not known how much of it came before. What lies further back than `_LOOK_BACK`
    of the first one's readings is not looked at.
    """
    of_a = a.end_ns[(a.end_ns >= earliest_ns) & (a.end_ns <= latest_ns)][-_LOOK_BACK:]
    of_b = b.end_ns[(b.end_ns >= earliest_ns) & (b.end_ns <= latest_ns)]
    if not len(of_a) or not len(of_b):
        return latest_ns
    after = np.clip(np.searchsorted(of_b, of_a), 0, len(of_b) - 1)
    before = np.maximum(after - 1, 0)
    apart = np.minimum(np.abs(of_b[after] - of_a), np.abs(of_b[before] - of_a))
    return int(of_a[int(np.argmin(apart))])


def _holes(pieces: Sequence[Piece], begin: int, end: int) -> Iterator[tuple[int, int]]:
    at = begin
    for piece in pieces:
        if piece.start_ns > at:
            yield at, piece.start_ns
        at = max(at, piece.end_ns)
    if at < end:
        yield at, end


def _clipped(
    w: Watched, piece: Piece
) -> tuple[NDArray[np.int64], NDArray[np.int64], Floats, Floats, NDArray[np.bool_]]:
    """A watcher's readings within a piece: start, end, energy, idle energy, gap."""
    chosen = slice(
        int(np.searchsorted(w.end_ns, piece.start_ns, side="right")),
        int(np.searchsorted(w.start_ns, piece.end_ns, side="left")),
    )
    start_ns = np.maximum(w.start_ns[chosen], piece.start_ns)
    end_ns = np.minimum(w.end_ns[chosen], piece.end_ns)
    part = (end_ns - start_ns) / np.maximum(w.end_ns[chosen] - w.start_ns[chosen], 1)
    return start_ns, end_ns, w.energy_j[chosen] * part, w.of(w.idle_share)[chosen] * part, w.gap[chosen]


def _over(w: Watched, values: Floats, start_ns: NDArray[np.int64], end_ns: NDArray[np.int64]) -> Floats:
    """What of `values` lies within each of the intervals, which are in order and do not overlap."""
    if not len(start_ns):
        return np.zeros(0)
    edges = np.column_stack([start_ns, end_ns]).ravel()
    return w.between(values, edges)[::2]


def _merged(intervals: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for start, stop in sorted(intervals):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], stop))
        else:
            merged.append((start, stop))
    return merged
