"""The front of those that nothing else beats in both of two amounts."""

from __future__ import annotations

from collections.abc import Sequence


def front(points: Sequence[tuple[float, float]]) -> list[bool]:
    """Which points, (goodness, cost), no other one beats: as good or better at no more cost, and one of both strictly.

    Equal points are on the front together.
    """
    order = sorted(range(len(points)), key=lambda place: (points[place][1], -points[place][0]))
    on = [False] * len(points)
    best: tuple[float, float] | None = None
    for place in order:
        good, cost = points[place]
        if best is None or good > best[0] or (good, cost) == best:
            on[place], best = True, (good, cost)
    return on
