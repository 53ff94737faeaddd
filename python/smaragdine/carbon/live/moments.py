"""Times as providers write them, and ranges in pieces that they allow."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone

from smaragdine.carbon.live.answer import SilentError

S = 10**9
HOUR_NS = 3600 * S


def at(ns: int) -> datetime:
    return datetime.fromtimestamp(ns // S, timezone.utc)


def instant_ns(text: object, who: str) -> int:
    """ISO 8601 in UTC; SilentError where it is none."""
    try:
        instant = datetime.fromisoformat(str(text).replace("Z", "+00:00"))
    except ValueError:
        raise SilentError(f"{who} answered {str(text)[:40]!r} for a time") from None
    if instant.tzinfo is None:
        raise SilentError(f"{who} answered a time without its zone")
    return round(instant.timestamp()) * S


def pieces(start_ns: int, end_ns: int, unit_ns: int, most: int) -> Iterator[tuple[int, int]]:
    """The range, widened to whole units, in pieces of at most so many."""
    at_ns, end_ns = start_ns - start_ns % unit_ns, end_ns + -end_ns % unit_ns
    while at_ns < end_ns:
        until_ns = min(end_ns, at_ns + most * unit_ns)
        yield at_ns, until_ns
        at_ns = until_ns


def intensity(value: object, who: str) -> float | None:
    """None where the provider has none; SilentError where it is no intensity. What is 0 or less is none either."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not -1e4 < value < 1e4:
        raise SilentError(f"{who} answered {str(value)[:40]!r} for a carbon intensity")
    return float(value) if value > 0 else None
