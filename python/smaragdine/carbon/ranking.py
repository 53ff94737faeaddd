"""Places ranked by the carbon intensity of their electricity, beside the methods by which electricity is made."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from smaragdine.carbon.intensity import LIFECYCLE, Intensity
from smaragdine.carbon.lookup import Found, Lookup
from smaragdine.carbon.table import intensities, packaged

KINDS = ("country", "state", "zone", "province", "cloud", "own")


@dataclass(frozen=True, slots=True)
class Ranked:
    """A place, or a generation method (`kind` is `generation`)."""

    place: str
    name: str
    kind: str
    intensity: Intensity
    low_g_per_kwh: float
    high_g_per_kwh: float
    """What else is published of the same, by our tables; equal to the figure itself where nothing is."""
    mostly: str
    """What most of the place's electricity was made from, with its share and year; empty where no table tells."""
    nearest: str
    """The generation method whose median is nearest, as a ratio; empty where methods are not comparable."""

    @property
    def g_per_kwh(self) -> float:
        return self.intensity.g_per_kwh


def rank(lookup: Lookup, scope: str, *, year: int | None = None, names: Iterable[str] = ()) -> list[Ranked]:
    """Cleanest first, of one scope alone: direct and lifecycle figures have no common order.

    Generation methods are of the lifecycle, and left out elsewhere. `names`: these places alone; SmaragdineError where
    no table knows one.
    """
    named = [lookup.find(name) for name in names]
    places = named or [lookup.found(place) for place in lookup.places]
    ranked = [one for found in places if (one := _place(found, scope, year))]
    methods = generation() if scope == LIFECYCLE else ()
    ranked += [_method(row) for row in methods]
    return sorted(ranked, key=lambda one: (one.g_per_kwh, one.place))


def elsewhere(lookup: Lookup, scope: str) -> int:
    """Places of which there is no figure of this scope."""
    return sum(all(row.scope != scope for row in lookup.found(place).rows) for place in lookup.places)


@cache
def generation() -> tuple[Intensity, ...]:
    return tuple(row for row in intensities() if row.kind == "generation")


def _place(found: Found, scope: str, year: int | None) -> Ranked | None:
    if all(row.scope != scope for row in found.rows):
        return None
    chosen = found.choose(scope, year)
    kind = "cloud" if ":" in found.place else chosen.kind
    values = [row.g_per_kwh for row in (chosen, *found.others(chosen))]
    return Ranked(
        found.place, found.name, kind, chosen, min(values), max(values), _mostly(found.place, chosen.place),
        _nearest(chosen) if scope == LIFECYCLE else "",
    )  # fmt: skip


def _method(row: Intensity) -> Ranked:
    low = row.g_per_kwh if row.low is None else row.low
    high = row.g_per_kwh if row.high is None else row.high
    return Ranked(row.place, row.name, row.kind, row, low, high, "", "")


def _nearest(row: Intensity) -> str:
    def ratio(method: Intensity) -> float:
        return max(method.g_per_kwh, row.g_per_kwh) / min(method.g_per_kwh, row.g_per_kwh)

    return min(generation(), key=ratio).name


def _mostly(*places: str) -> str:
    for place in places:
        if mix := _mixes().get(place):
            return f"{mix['mostly']} ({float(mix['share']):.0%} in {mix['year']})"
    return ""


@cache
def _mixes() -> dict[str, dict[str, str]]:
    return {row["place"]: dict(row) for row in packaged("mixes")}
