"""How much more than was read a run's gaps can have taken."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from smaragdine.errors import damaged

if TYPE_CHECKING:
    from smaragdine.carbon.run import Readings, Run

# Differences of instants stay within 64 bits.
_LATEST_NS = 2**62
_MOST_J = 1e30


@dataclass(frozen=True, slots=True)
class Gap:
    """A stretch whose energy is not known. `high_j` is infinite where nobody knows how much it took at most."""

    domain: str
    start_ns: int
    end_ns: int
    low_j: float
    high_j: float


def beyond(trace: Run, domain: str) -> float | None:
    """Joules of a domain that its gaps can have taken beyond what its readings say; None where nobody knows.

    Readings whose energy is not known and that no gap of `trace.json` holds (it tells a thousand, and imported logs
    none) have no bound; neither has what a cut recording missed. Raises SmaragdineError where a gap cannot be.
    """
    gaps = sorted((gap for gap in told(trace) if gap.domain == domain), key=lambda gap: gap.start_ns)
    more = sum(max(0.0, gap.high_j - gap.low_j) for gap in gaps)
    bounded = math.isfinite(more) and not _missing(trace) and not _untold(trace.readings.get(domain), gaps)
    return more if bounded else None


def told(trace: Run) -> Iterator[Gap]:
    """What `trace.json` tells of gaps; SmaragdineError where no recording can have told it so."""
    gaps = trace.metadata.raw.get("gaps") or []
    for gap in gaps if isinstance(gaps, list) else [gaps]:
        match gap:
            case {"domain": str(domain), "start_ns": int(start), "end_ns": int(end)}:
                low, high = _joules(gap.get("energy_low_j"), 0.0), _joules(gap.get("energy_high_j"), math.inf)
                if low is not None and high is not None and -_LATEST_NS < start <= end < _LATEST_NS:
                    yield Gap(domain, start, end, low, high)
                    continue
        raise damaged(trace.path, "trace.json tells of a gap that cannot be")


def _joules(value: Any, unknown: float) -> float | None:
    """None where it is no energy."""
    if value is None:
        return unknown
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < _MOST_J:
        return None
    return float(value)


def _untold(readings: Readings | None, gaps: list[Gap]) -> bool:
    """Some reading of unknown energy lies in none of the gaps, which are in order and do not overlap."""
    if readings is None or not readings.gap.any():
        return False
    if not gaps:
        return True
    starts = np.array([gap.start_ns for gap in gaps], dtype=np.int64)
    ends = np.array([gap.end_ns for gap in gaps], dtype=np.int64)
    place = np.searchsorted(starts, readings.start_ns[readings.gap], "right") - 1
    return bool((place < 0).any() or (readings.end_ns[readings.gap] > ends[place]).any())


def _missing(trace: Run) -> bool:
    """The program went on after its recording was cut, or may have."""
    metadata = trace.metadata
    if metadata.state != "cut":
        return False
    return metadata.program_s is None or metadata.program_s > (metadata.duration_s or 0.0)
