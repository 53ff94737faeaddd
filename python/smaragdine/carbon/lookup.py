"""From what a user calls a place to the rows that tables have of it."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache

from smaragdine.carbon.intensity import SCOPES, Intensity
from smaragdine.carbon.table import intensities, packaged
from smaragdine.errors import UsageError

_NEAREST = 5
# What people write for a place beside its code and its names.
_ALSO = {
    "GBR": ("UK",),
    "CZE": ("Czech Republic",),
    "USA": ("United States of America",),
    "US-DC": ("Washington DC", "Washington, D.C."),
}
# Two tables speak of the same electricity while their years are not further apart.
_YEARS = 3


@dataclass(frozen=True, slots=True)
class Found:
    """A place with all that tables say of it."""

    place: str
    name: str
    country: str
    rows: tuple[Intensity, ...]

    def choose(self, scope: str | None = None, year: int | None = None) -> Intensity:
        """The row to count with: of this scope (lifecycle where there is one, else direct), average, and of the year
        nearest to the one asked for, the newest where none is. Raises SmaragdineError where there is no such row.
        """
        for wanted in (scope,) if scope else SCOPES:
            rows = [row for row in self.rows if row.scope == wanted]
            averages = [row for row in rows if row.method == "average"] or rows
            if averages:
                return min(averages, key=lambda row: (abs(row.year - year) if year else 0, -row.year))
        have = " and ".join(sorted({row.scope for row in self.rows}))
        raise UsageError(f"no table has a {scope} intensity of {self.name} ({self.place}): there is {have}")

    def others(self, chosen: Intensity) -> tuple[Intensity, ...]:
        """What further tables say of the same: same scope and method, at most three years apart."""
        return tuple(
            row
            for row in self.rows
            if row is not chosen
            and (row.scope, row.method) == (chosen.scope, chosen.method)
            and abs(row.year - chosen.year) <= _YEARS
        )


class Lookup:
    """Places by name, code or cloud region. Rows of a user's own table stand in for ours of the same place."""

    def __init__(self, rows: Iterable[Intensity] = ()) -> None:
        own = tuple(rows)
        replaced = {row.place.casefold() for row in own}
        held = (*own, *(row for row in intensities() if row.place.casefold() not in replaced))
        self._rows: dict[str, list[Intensity]] = {}
        for row in held:
            if row.kind != "generation":
                self._rows.setdefault(row.place, []).append(row)
        self._clouds = {row["place"]: row for row in packaged("clouds") if row["place"].casefold() not in replaced}
        # As it is written first: `us-east-1` and `us-east1` are of different clouds.
        self._written: dict[str, dict[str, int]] = {}
        self._names: dict[str, dict[str, int]] = {}
        for place in self.places:
            for rank, names in enumerate(self._called(place)):
                for name in names:
                    for index, key in ((self._written, name.casefold()), (self._names, folded(name))):
                        index.setdefault(key, {}).setdefault(place, rank)

    @property
    def places(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*self._rows, *self._clouds)))

    def find(self, name: str) -> Found:
        """Raises SmaragdineError where no table knows the name, with the nearest ones, or several places bear it."""
        ranked = self._written.get(name.strip().casefold()) or self._names.get(folded(name))
        if not ranked:
            raise self._unknown(name)
        best = min(ranked.values())
        places = [place for place, rank in ranked.items() if rank == best]
        if len(places) > 1:
            told = ", ".join(f"{place} ({self.found(place).name})" for place in places)
            raise UsageError(f"several places are called {name!r}: {told}", "name one of them by its code")
        return self.found(places[0])

    def codes(self, name: str) -> tuple[str, ...]:
        """Codes of all places that bear a name; none where no table knows it."""
        return tuple(self._names.get(folded(name), ()))

    def found(self, place: str) -> Found:
        """All rows of a place by its code; a cloud region has those of the grid zone that it draws from as well."""
        rows = tuple(self._rows.get(place, ()))
        title, country = (rows[0].name, rows[0].country) if rows else (place, "")
        if cloud := self._clouds.get(place):
            zone = self._rows.get(cloud["zone"], [])
            title, country = cloud["name"], country or (zone[0].country if zone else "")
            rows += tuple(zone)
        return Found(place, title, country, rows)

    def _called(self, place: str) -> tuple[list[str], ...]:
        """What a place is called: its code first, then its names, then what it is only a short form of."""
        rows = self._rows.get(place, [])
        names = [row.name for row in rows]
        names += [f"{row.name}, {row.country}" for row in rows]
        for row in rows:
            of = self._rows.get(row.country, [])
            names += [f"{row.name}, {country.name}" for country in of if row.country != place]
        names += _ALSO.get(place, ())
        short = [two for two, three in alpha2().items() if three == place and two not in self._rows]
        if place in self._clouds:
            names.append(self._clouds[place]["name"])
        bare = [place.partition(":")[2]] if ":" in place else []
        return [place, *short], [*names, *bare]

    def _unknown(self, name: str) -> Exception:
        near: list[str] = []
        for called in difflib.get_close_matches(folded(name), self._names, n=4 * _NEAREST, cutoff=0.6):
            near += [place for place in self._names[called] if place not in near]
        told = ", ".join(f"{place} ({self.found(place).name})" for place in near[:_NEAREST])
        hint = f"nearest: {told}" if told else "`smaragdine regions --all` lists those of which there is a figure"
        return UsageError(f"no table knows a region {name!r}", hint)


@cache
def alpha2() -> Mapping[str, str]:
    """Countries' codes of three letters by those of two; of countries alone."""
    return {row["two"]: row["three"] for row in packaged("codes")}


@cache
def default() -> Lookup:
    """Our tables alone."""
    return Lookup()


def folded(name: str) -> str:
    """The name without case, accents and punctuation; `:` stays, since it tells clouds apart."""
    letters = unicodedata.normalize("NFKD", name.casefold())
    return "".join(c for c in letters if c.isalnum() or c == ":")
