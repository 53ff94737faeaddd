"""What machine and application did while runs ran, about once a second, as far as traces hold it."""

from __future__ import annotations

from collections.abc import Iterable

from smaragdine.appendix.entry import Entry

MOST = 16

Sampled = dict[str, list[tuple[float, float]]]
"""By metric and scope: seconds since the recording began, in whole ones, and the value."""


def sampled(entry: Entry) -> Sampled:
    """Nothing of a trace that holds none."""
    start_ns = entry.trace.metadata.start_ns
    found: Sampled = {}
    for series in getattr(entry.trace, "metrics", ()):
        name = f"{series.metric}, {series.scope}" if series.scope else str(series.metric)
        pairs = zip(series.time_ns.tolist(), series.value.tolist(), strict=True)
        found[entry.told(name)] = [(float(round((time_ns - start_ns) / 1e9)), value) for time_ns, value in pairs]
    return found


def chosen(all_sampled: Iterable[Sampled]) -> list[str]:
    """Names of those that are drawn: sorted, MOST at most."""
    return sorted({name for one in all_sampled for name in one})[:MOST]
