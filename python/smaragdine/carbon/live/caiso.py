"""California's system operator: emissions and supply every five minutes, free, as two tables for each day.

`GET /outlook/history/YYYYMMDD/co2.csv` (tonnes an hour by source) and `fuelsource.csv` (megawatts by source); their
quotient is what experiment-impact-tracker took. Times are Pacific; on the days on which clocks change they are
ambiguous, and those days are left out. The figures count what is burnt, imports included: direct.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from smaragdine.carbon.intensity import DIRECT
from smaragdine.carbon.live.answer import Get, SilentError, address, keep
from smaragdine.carbon.live.moments import S, at

NAME = "California ISO"
SCOPES = (DIRECT,)
HINT = "it knows California alone: --region US-CA"
_STEP = timedelta(minutes=5)
_PLACES = {"US-CA", "US-CAL-CISO"}
# Tonnes an hour over megawatts are tonnes per megawatt-hour.
_G_PER_KWH = 1000.0


def zone(place: str, rows: tuple[str, ...]) -> str | None:
    return "US-CAL-CISO" if _PLACES & {place, *rows} else None


def intervals(zone: str, start_ns: int, end_ns: int, scope: str, get: Get) -> tuple[list[tuple[int, int, float]], str]:
    base = address("SMARAGDINE_CAISO_URL", "https://www.caiso.com")
    try:
        pacific = ZoneInfo("America/Los_Angeles")
    except ZoneInfoNotFoundError:
        raise SilentError("this machine does not know Pacific time: install tzdata") from None
    rows: list[tuple[int, int, float]] = []
    day, last = at(start_ns).astimezone(pacific).date(), at(end_ns).astimezone(pacific).date()
    while day <= last:
        midnight = datetime(day.year, day.month, day.day, tzinfo=pacific)
        following = midnight + timedelta(days=1)
        if midnight.utcoffset() == following.utcoffset():
            urls = [f"{base}/outlook/history/{day:%Y%m%d}/{table}.csv" for table in ("co2", "fuelsource")]
            bodies = [get(url, {"Accept": "text/csv"}, following.timestamp()) for url in urls]
            rows += _day(midnight, *map(_table, bodies))
            for url, body in zip(urls, bodies, strict=True):
                keep(url, body)
        day += timedelta(days=1)
    # The newest hour or so is not there yet: nothing stands in for it.
    return [row for row in rows if row[1] > start_ns and row[0] < end_ns], ""


def _day(
    midnight: datetime, emissions: list[dict[str, str]], supply: list[dict[str, str]]
) -> Iterator[tuple[int, int, float]]:
    of_time = {row["Time"]: row for row in supply}
    seen = -1
    for row in emissions:
        minutes = _minutes(row["Time"])
        if minutes <= seen:  # the table ends with the midnight of the day after
            break
        seen = minutes
        megawatts = _sum(of_time.get(row["Time"], {}), "")
        tonnes = _sum(row, " CO2")
        if megawatts is not None and tonnes is not None and megawatts > 0 and tonnes > 0:
            start = midnight + timedelta(minutes=minutes)
            yield round(start.timestamp()) * S, round((start + _STEP).timestamp()) * S, _G_PER_KWH * tonnes / megawatts


def _table(body: bytes) -> list[dict[str, str]]:
    text = body.decode("utf-8-sig", "replace")
    reader = csv.DictReader(io.StringIO(text, newline=""))
    try:
        rows = list(reader)
    except csv.Error:
        rows = []
    if not rows or "Time" not in (reader.fieldnames or ()):
        raise SilentError(f"{NAME} answered what is no table of a day")
    return rows


def _minutes(text: str | None) -> int:
    hour, _, minute = (text or "").partition(":")
    if not (hour.isdigit() and minute.isdigit() and int(hour) < 24 and int(minute) < 60):
        raise SilentError(f"{NAME} answered {str(text)[:40]!r} for a time")
    return 60 * int(hour) + int(minute)


def _sum(row: dict[str, str], ending: str) -> float | None:
    """Of all columns but the time; None where one of them has no number yet."""
    values = [value for name, value in row.items() if name and name != "Time" and name.endswith(ending)]
    try:
        total = sum(float(value) for value in values)
    except (TypeError, ValueError):
        return None
    return total if values and math.isfinite(total) else None
