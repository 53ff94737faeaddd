"""Carbon intensity over time, and how a run's energy lies in it."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from smaragdine.carbon.intensity import LIFECYCLE, SCOPES
from smaragdine.carbon.table import grams_per_kwh
from smaragdine.errors import UsageError
from smaragdine.files import regular

_NEEDED = ("start", "g_per_kwh")


@dataclass(frozen=True, slots=True)
class Series:
    """Intensities of intervals in order of time, none overlapping. `times_ns` are (start, end) since 1970, UTC."""

    times_ns: NDArray[np.int64]
    g_per_kwh: NDArray[np.float64]
    source: str
    scope: str
    digits: int = 3
    place: str = ""

    @classmethod
    def of(
        cls, rows: Iterable[tuple[int, int, float]], source: str, scope: str, *, digits: int = 3, place: str = ""
    ) -> Series:
        """Of (start_ns, end_ns, g/kWh); raises SmaragdineError where there are none, or two overlap."""
        ordered = sorted(rows)
        if not ordered:
            raise UsageError(f"{source} has no intensities")
        if any(end <= start for start, end, _ in ordered):
            raise UsageError(f"{source}: an interval ends before it starts")
        if any(before[1] > after[0] for before, after in pairwise(ordered)):
            raise UsageError(f"{source}: intervals overlap")
        times = np.array([row[:2] for row in ordered], dtype=np.int64)
        return cls(times, np.array([row[2] for row in ordered]), source, scope, digits, place)

    @classmethod
    def read(cls, path: Path, scope: str | None = None) -> Series:
        """CSV with columns start, g_per_kwh and perhaps end, source; times in ISO 8601 with their zone. Without a
        scope it is taken as lifecycle, and its source says so.

        Without `end`, an interval lasts until the next starts, and the last as long as the one before it. Raises
        SmaragdineError with the line of what makes no sense.
        """
        reader = csv.DictReader(io.StringIO(regular.text(path, f"the series {path}"), newline=""))
        if missing := [column for column in _NEEDED if column not in (reader.fieldnames or ())]:
            raise UsageError(f"the series {path} has no column {', '.join(missing)}", f"it needs {', '.join(_NEEDED)}")
        points: list[tuple[int, int | None, float]] = []
        source = str(path.name)
        for row in reader:
            where = f"{path}, line {reader.line_num}"
            end = instant_ns(row["end"], where) if row.get("end") else None
            points.append((instant_ns(row["start"] or "", where), end, grams_per_kwh(row["g_per_kwh"] or "", where)))
            source = row.get("source") or source
        if scope not in (None, *SCOPES):
            raise UsageError(f"scope {scope!r} is neither {' nor '.join(SCOPES)}")
        if scope is None:
            source += ", taken as lifecycle"
        return cls.of(closed(points, str(path)), source, scope or LIFECYCLE)

    def weigh(self, times_ns: NDArray[np.int64], energy: NDArray[np.float64]) -> Weighed:
        """How energy of intervals (start, end) lies in the series: by the time that they have in common."""
        lasting = times_ns[:, 1] > times_ns[:, 0]
        spans, drawn = times_ns[lasting], energy[lasting]
        # Sums up to every edge, between which they grow evenly; counted from the first, so that doubles hold them.
        first_ns = self.times_ns[0, 0]
        edges = (self.times_ns - first_ns).ravel().astype(np.float64)
        lengths = np.diff(self.times_ns, axis=1)[:, 0].astype(np.float64)

        def within(rates: NDArray[np.float64]) -> NDArray[np.float64]:
            grown = np.cumsum(rates * lengths)
            sums = np.column_stack([np.r_[0.0, grown[:-1]], grown]).ravel()
            ends = [np.interp((spans[:, side] - first_ns).astype(np.float64), edges, sums) for side in (0, 1)]
            return np.asarray(ends[1] - ends[0])

        power = drawn / (spans[:, 1] - spans[:, 0])
        covered = float((power * within(np.ones(len(lengths)))).sum())
        grams = float((power * within(self.g_per_kwh)).sum())
        return Weighed(float(energy.sum()), covered, grams / covered if covered else None)


@dataclass(frozen=True, slots=True)
class Weighed:
    """Of energy in any unit: all of it, what the series covers, and the mean intensity of that part."""

    energy: float
    covered: float
    g_per_kwh: float | None

    @property
    def share(self) -> float:
        return min(1.0, self.covered / self.energy) if self.energy > 0 else 0.0


def closed(points: Sequence[tuple[int, int | None, float]], where: str) -> list[tuple[int, int, float]]:
    """Intervals of points: one without an end lasts until the next, the last as long as the one before it."""
    ordered = sorted(points, key=lambda point: point[0])
    if len(ordered) == 1 and ordered[0][1] is None:
        raise UsageError(f"{where}: one instant tells nothing of how long its intensity held", "give its end as well")
    rows: list[tuple[int, int, float]] = []
    for index, (start, end, value) in enumerate(ordered):
        if end is None:
            following = ordered[index + 1][0] if index + 1 < len(ordered) else 2 * start - ordered[index - 1][0]
            end = following
        rows.append((start, end, value))
    return rows


def instant_ns(text: str, where: str) -> int:
    """An instant in ISO 8601 with its zone (`Z` or an offset) as nanoseconds since 1970."""
    try:
        instant = datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
    except ValueError:
        raise UsageError(f"{where}: {text!r} is no time", "write it as 2026-11-28T12:00:00Z") from None
    if instant.tzinfo is None:
        raise UsageError(
            f"{where}: {text!r} names no time zone", "end it with Z for UTC, or with its offset, as +01:00"
        )
    since = instant - datetime(1970, 1, 1, tzinfo=timezone.utc)
    return (since.days * 86_400 + since.seconds) * 10**9 + since.microseconds * 1000
