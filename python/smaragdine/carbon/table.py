"""Tables of intensities: those that come with the package, and a user's own."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

from smaragdine.carbon.digits import significant
from smaragdine.carbon.intensity import METHODS, SCOPES, Intensity
from smaragdine.errors import UsageError
from smaragdine.files import regular

_FOLDER = Path(__file__).parent / "tables"
INTENSITIES = ("states", "countries", "zones", "provinces", "google", "earlier", "generation")
# What a user's table must have; its other columns are those of our own.
_NEEDED = ("place", "g_per_kwh", "year", "scope", "source")
# No grid and no fuel emits more; what does was given in another unit.
_MOST_G_PER_KWH = 3000.0
_FIRST_YEAR, _LAST_YEAR = 1980, 2100


@cache
def packaged(name: str) -> tuple[Mapping[str, str], ...]:
    """Rows of a table of ours, `tables/NAME.csv`, read when it is first asked for."""
    with (_FOLDER / f"{name}.csv").open(encoding="utf-8", newline="") as text:
        return tuple(csv.DictReader(text))


@cache
def intensities() -> tuple[Intensity, ...]:
    """All rows of ours."""
    return tuple(_row(row, name) for name in INTENSITIES for row in packaged(name))


def own(path: Path) -> tuple[Intensity, ...]:
    """A user's table: CSV with at least the columns place, g_per_kwh, year, scope and source.

    Raises SmaragdineError where a column is missing or a row makes no sense, with its line.
    """
    reader = csv.DictReader(io.StringIO(regular.text(path, f"the table {path}"), newline=""))
    missing = [column for column in _NEEDED if column not in (reader.fieldnames or ())]
    if missing:
        raise UsageError(f"the table {path} has no column {', '.join(missing)}", f"it needs {', '.join(_NEEDED)}")
    rows = tuple(_own_rows(reader, path))
    if not rows:
        raise UsageError(f"the table {path} has no rows")
    return rows


def _own_rows(reader: csv.DictReader[str], path: Path) -> Iterator[Intensity]:
    seen: set[tuple[str, int, str, str]] = set()
    try:
        for row in reader:
            where = f"{path}, line {reader.line_num}"
            intensity = _row({name: text or "" for name, text in row.items() if name}, where, "own")
            key = (intensity.place.casefold(), intensity.year, intensity.method, intensity.scope)
            if key in seen:
                raise UsageError(f"{where}: {intensity.place} has two rows of {intensity.year}")
            seen.add(key)
            yield intensity
    except csv.Error as error:
        raise UsageError(f"{path}, line {reader.line_num}: {error}") from None


def _row(row: Mapping[str, str], where: str, kind: str = "") -> Intensity:
    method, scope = row.get("method") or METHODS[0], row["scope"].strip()
    place = row["place"].strip()
    if not place:
        raise UsageError(f"{where}: the place has no name")
    for word, words, column in ((method, METHODS, "method"), (scope, SCOPES, "scope")):
        if word not in words:
            raise UsageError(f"{where}: {column} {word!r} is neither {' nor '.join(words)}")
    if not row["source"].strip():
        raise UsageError(f"{where}: the row names no source", "write where the figure comes from")
    value = grams_per_kwh(row["g_per_kwh"], where)
    low, high = (grams_per_kwh(row[name], where) if row.get(name) else None for name in ("low", "high"))
    if not (low or 0.0) <= value <= (high or math.inf):
        raise UsageError(f"{where}: {value:g} g/kWh does not lie between its low and high")
    return Intensity(
        place=place,
        kind=row.get("kind") or kind,
        name=row.get("name") or place,
        country=row.get("country") or "",
        year=_year(row["year"], where),
        method=method,
        scope=scope,
        g_per_kwh=value,
        low=low,
        high=high,
        source=row["source"].strip(),
        licence=row.get("licence") or "",
        digits=significant(row["g_per_kwh"]),
    )


def grams_per_kwh(text: str, where: str) -> float:
    """A carbon intensity as somebody wrote it; SmaragdineError where no electricity can have it."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value <= _MOST_G_PER_KWH:
        hint = f"it is grams of CO2 equivalent per kilowatt-hour, above 0 and at most {_MOST_G_PER_KWH:g}"
        raise UsageError(f"{where}: {text!r} is no carbon intensity", hint)
    return value


def _year(text: str, where: str) -> int:
    try:
        year = int(text)
    except ValueError:
        year = 0
    if not _FIRST_YEAR <= year <= _LAST_YEAR:
        raise UsageError(f"{where}: {text!r} is no year")
    return year
