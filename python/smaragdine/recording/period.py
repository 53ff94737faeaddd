"""Sampling periods as people write them: `4ms`, `500us`, `1s`."""

from __future__ import annotations

import re

from smaragdine.errors import UsageError

_UNITS_NS = {"us": 1_000, "µs": 1_000, "ms": 1_000_000, "s": 1_000_000_000}
_SHORTEST_NS, _LONGEST_NS = 500_000, 10_000_000_000


def parse_period(text: str) -> int:
    """Nanoseconds. Raises `UsageError` where the text is no period or lies outside 500us … 10s."""
    match = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]+)?)\s*(us|µs|ms|s)\s*", text)
    if match is None:
        raise UsageError(f"`{text}` is not a sampling period", hint="write 4ms, 500us or 1s")
    # Compared before it is rounded: so many digits are infinite.
    period_ns = float(match[1]) * _UNITS_NS[match[2]]
    if not _SHORTEST_NS <= period_ns <= _LONGEST_NS:
        raise UsageError(f"a sampling period of {text} is not useful", hint="choose one from 500us to 10s")
    return round(period_ns)
