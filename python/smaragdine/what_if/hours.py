"""A job at another hour of the day: the same energy against a curve of carbon intensity."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone

import numpy as np

from smaragdine.carbon.series import Series
from smaragdine.errors import UsageError
from smaragdine.what_if import amounts
from smaragdine.what_if.profile import Profile

_DAY_S = 86_400.0
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
# A day is told by parts that divide it: hours, half hours, five minutes.
_MOST_PARTS = 1440
# Beyond this a day's curve is not this day's.
_MOST_HOURS = 24.0 * 366


@dataclass(frozen=True, slots=True)
class Curve:
    """Grams per kilowatt-hour over a day in UTC, in equal parts from midnight on; every day alike."""

    g_per_kwh: tuple[float, ...]

    @classmethod
    def of(cls, told: Curve | Series | Iterable[float]) -> Curve | Series:
        """A curve as it is, a series as it is, or a day's values: 24 for hours, 48 for half hours.

        Raises SmaragdineError where their number divides no day into minutes, or one is no carbon intensity.
        """
        if isinstance(told, (Curve, Series)):
            return told
        values = tuple(amounts.intensity(value) for value in told)
        if not values or len(values) > _MOST_PARTS or _MOST_PARTS % len(values):
            raise UsageError(
                f"{len(values)} values divide no day into equal parts",
                "24 for hours, 48 for half hours, 288 for 5 minutes",
            )
        return cls(values)

    def mean(self, start: datetime, duration_s: float) -> float:
        """Over an interval, each part of the day by the time that lies in it."""
        part_s = _DAY_S / len(self.g_per_kwh)
        sums = np.concatenate([[0.0], np.cumsum(self.g_per_kwh)]) * part_s
        edges = np.arange(len(sums)) * part_s

        def until(at_s: float) -> float:
            days, rest = divmod(at_s, _DAY_S)
            return float(days * sums[-1] + np.interp(rest, edges, sums))

        begin_s = (
            start - start.astimezone(timezone.utc).replace(hour=0, minute=0, second=0, microsecond=0)
        ).total_seconds()
        if duration_s <= 0:
            return self.g_per_kwh[int(begin_s // part_s) % len(self.g_per_kwh)]
        return (until(begin_s + duration_s) - until(begin_s)) / duration_s


@dataclass(frozen=True, slots=True)
class Shifted:
    """What a job emits when it starts at `start`, PUE included."""

    hours: float
    start: datetime
    grams: float
    intensity_g_per_kwh: float
    """In the mean over its energy."""


def shift(profile: Profile, curve: Curve | Series | Iterable[float], hours: float) -> Shifted:
    """The job as it was, started so many hours later, or earlier where negative.

    Each point's energy meets the intensities of its own time; what lies outside all points meets the mean of the run.
    `curve`: a day's intensities in UTC from midnight on (24 for hours), or a `carbon.series.Series`. Raises
    SmaragdineError where the profile does not tell when it started and how long its points took, and where a series
    does not cover the time.
    """
    start = profile.start
    if start is None or any(point.duration_s is None for point in profile.points):
        raise UsageError(
            f"the profile {profile.name} does not tell when it started, or how long its points took",
            'a shift needs both: "started" and each point\'s "duration_s"',
        )
    amounts.between(hours, "the shift", _MOST_HOURS, " h")
    over = Curve.of(curve)
    begin = at = start + timedelta(hours=hours)
    energies, means = [], []
    for point in profile.points:
        length_s = point.duration_s or 0.0
        energies.append(point.total_kwh)
        means.append(over.mean(at, length_s) if isinstance(over, Curve) else _within(over, at, length_s))
        at += timedelta(seconds=length_s)
    within = sum(energies)
    if within <= 0:
        raise UsageError(f"the profile {profile.name} has no energy in its points")
    mean = sum(energy * value for energy, value in zip(energies, means, strict=True)) / within
    return Shifted(float(hours), begin, profile.kwh * (profile.pue or 1.0) * mean, mean)


def best_window(profile: Profile, curve: Curve | Series | Iterable[float], within_hours: float = 24.0) -> Shifted:
    """The start, of every half hour from the profile's own on and less than `within_hours` later, that emits least.

    Of equal ones the earliest. Raises as `shift` does; starts that a series does not cover are left out.
    """
    last = amounts.positive(within_hours, "the window", _MOST_HOURS, " h")
    over = Curve.of(curve)
    answers: list[Shifted] = []
    problem: UsageError | None = None
    for half in range(max(1, int(np.ceil(last * 2)))):
        try:
            answers.append(shift(profile, over, half / 2))
        except UsageError as error:
            problem = error
    if not answers and problem is not None:
        raise problem
    best = min(answers, key=lambda one: (one.grams, one.hours))
    # Sums that differ by their rounding alone are equal.
    return next(one for one in answers if one.grams <= best.grams * (1 + 1e-12))


def at_hour(profile: Profile, hour: float, durations_s: Sequence[float] | None = None) -> Profile:
    """A profile that does not tell when it ran, as one that began at this hour (UTC) of some day."""
    start = _EPOCH + timedelta(hours=amounts.amount(hour, "the hour", 24.0))
    points = profile.points
    if durations_s is not None:
        points = tuple(replace(point, duration_s=length) for point, length in zip(points, durations_s, strict=True))
    return replace(profile, started=start.isoformat(), points=points)


def _within(series: Series, start: datetime, duration_s: float) -> float:
    since = start - _EPOCH
    begin_ns = (since.days * 86_400 + since.seconds) * 10**9 + since.microseconds * 1000
    length_ns = max(1, round(duration_s * 1e9))
    weighed = series.weigh(np.array([[begin_ns, begin_ns + length_ns]], dtype=np.int64), np.array([1.0]))
    if weighed.g_per_kwh is None or weighed.share < 1 - 1e-6:
        raise UsageError(
            f"{series.source} does not tell the intensity at {start.isoformat(timespec='minutes')}",
            "shift less far, or give a day's curve",
        )
    return weighed.g_per_kwh
