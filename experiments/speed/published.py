"""The published implementation's algorithm on the events of the alignment bench, in events per second."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator

from experiments.paper.released import sweep

NAME = "the published implementation's algorithm, in Python"
OVERLAPS = (1, 4, 32)
EVENTS = 20_000
RUNS = 3
_OPS = 1000
_PERIOD_NS = 4_000_000
_POWER_W = 100.0


def noise(state: int) -> Iterator[float]:
    """As the bench has it: deterministic, uniform in [0, 1)."""
    while True:
        state = (state * 6_364_136_223_846_793_005 + 1_442_695_040_888_963_407) % 2**64
        yield (state >> 11) / 2**53


def events(lanes: int, count: int) -> list[tuple[str, int, int]]:
    """The first that the bench makes: name, start and end, 10 µs to 1 ms long, on lanes that are always busy."""
    uniform = noise(lanes)
    free = [int(next(uniform) * 1e6) for _ in range(lanes)]
    made = []
    for _ in range(count):
        lane = min(range(lanes), key=free.__getitem__)
        start_ns = free[lane]
        free[lane] += int(1e4 * 100 ** next(uniform))
        made.append((f"op_{int(next(uniform) * _OPS)}", start_ns, free[lane]))
    return made


def rate(lanes: int, count: int = EVENTS) -> float:
    """Millions of events per second, the median of some runs."""
    made = events(lanes, count)
    last_ns = max(end_ns for _, _, end_ns in made)
    powers = [(at_ns, _POWER_W) for at_ns in range(0, last_ns + _PERIOD_NS, _PERIOD_NS)]
    took_s = []
    for _ in range(RUNS):
        began = time.perf_counter()
        sweep(made, powers)
        took_s.append(time.perf_counter() - began)
    return count / statistics.median(took_s) * 1e-6
