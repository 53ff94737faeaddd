"""A profile's JSON: what it says is checked before anything is counted with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any

from smaragdine.errors import UsageError
from smaragdine.what_if import amounts
from smaragdine.what_if.part import KINDS, Part
from smaragdine.what_if.point import BASES, BY, COMPONENTS, Point
from smaragdine.what_if.work import Layers, Work

FORMAT = "smaragdine-profile"
VERSION = 1

MOST_POINTS = 1_000_000
_LONGEST = 10_000


def fields(told: object, where: str) -> dict[str, Any]:
    """Those of a `Profile`. Raises UsageError with the place of what makes no sense."""
    top = _Reader(told, where)
    if top.told.get("format") != FORMAT:
        raise UsageError(
            f"{where} is no profile: its format is {top.told.get('format')!r}",
            f'a profile says "format": "{FORMAT}"; `smaragdine export TRACE --format profile` writes one',
        )
    if top.told.get("version") != VERSION:
        raise UsageError(
            f"{where} is a profile of version {top.told.get('version')!r}; this smaragdine reads version {VERSION}",
            "read it with the smaragdine that wrote it",
        )
    points = tuple(map(_point, top.objects("points", MOST_POINTS)))
    numbers = [point.number for point in points]
    if not points or any(after <= before for before, after in pairwise(numbers)):
        raise UsageError(f"{where}, points: there are none, or their numbers do not grow")
    layers = top.told.get("layers")
    return {
        "name": top.text("name") or "profile",
        "by": top.word("by", BY),
        "points": points,
        "parts": tuple(map(_part, top.objects("hardware"))),
        "basis": top.word("basis", BASES),
        "notice": top.text("notice"),
        "region": top.text("region") or None,
        "pue": None if top.told.get("pue") is None else amounts.pue(top.told["pue"]),
        "started": _instant(top),
        "outside_kwh": top.amounts("outside_kwh", COMPONENTS, amounts.MOST_KWH),
        "layers": None if layers is None else _layers(_Reader(layers, f"{where}, layers")),
        "source": top.text("source"),
    }


class _Reader:
    """An object of the file, and where it lies there."""

    def __init__(self, told: object, where: str) -> None:
        if not isinstance(told, dict):
            raise UsageError(f"{where} is no object")
        self.told: dict[str, Any] = told
        self.where = where

    def objects(self, name: str, most: int = 100_000) -> list[_Reader]:
        held = self.told.get(name, [])
        if not isinstance(held, list) or len(held) > most:
            raise UsageError(f"{self.where}, {name} is no list of at most {most}")
        return [_Reader(one, f"{self.where}, {name}[{place}]") for place, one in enumerate(held)]

    def text(self, name: str) -> str:
        value = self.told.get(name)
        if value is None:
            return ""
        if not isinstance(value, str) or len(value) > _LONGEST:
            raise UsageError(f"{self.where}, {name} is no text of at most {_LONGEST} characters")
        return value

    def word(self, name: str, words: Sequence[str]) -> str:
        value = self.told.get(name)
        if value not in words:
            raise UsageError(f"{self.where}, {name} is {value!r}", f"it is one of {', '.join(words)}")
        return str(value)

    def whole(self, name: str) -> int:
        value = self.told.get(name)
        if isinstance(value, bool) or not isinstance(value, int) or abs(value) > 2**53:
            raise UsageError(f"{self.where}, {name} is {value!r}, and no whole number")
        return value

    def known(self, name: str, most: float, check: Callable[..., float] = amounts.amount) -> float | None:
        value = self.told.get(name)
        return None if value is None else check(value, f"{self.where}, {name}", most)

    def needed(self, name: str, most: float, check: Callable[..., float] = amounts.amount) -> float:
        return check(self.told.get(name), f"{self.where}, {name}", most)

    def amounts(self, name: str, names: Sequence[str], most: float) -> Mapping[str, float]:
        inner = _Reader(self.told.get(name, {}), f"{self.where}, {name}")
        if unknown := next((one for one in inner.told if one not in names), None):
            raise UsageError(f"{inner.where} names {unknown!r}", f"it names {', '.join(names)}")
        return {one: inner.needed(one, most) for one in inner.told}


def _point(told: _Reader) -> Point:
    kwh = told.amounts("kwh", COMPONENTS, amounts.MOST_KWH)
    if not kwh:
        raise UsageError(f"{told.where} has no energy", 'write it as "kwh": {"cpu": 0.05}')
    metrics = _Reader(told.told.get("metrics", {}), f"{told.where}, metrics").told
    return Point(
        told.whole("number"), kwh, told.known("duration_s", amounts.MOST_S),
        {str(name): float(value) for name, value in metrics.items()
         if isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e300},
    )  # fmt: skip


def _part(told: _Reader) -> Part:
    return Part(
        told.text("name") or "unnamed",
        told.word("kind", KINDS),
        told.needed("quantity", amounts.MOST_QUANTITY, amounts.positive),
        told.known("power_w", amounts.MOST_W, amounts.positive),
        told.known("flops", amounts.MOST_FLOPS, amounts.positive),
        told.text("source"),
    )


def _layers(told: _Reader) -> Layers:
    most_j = amounts.MOST_KWH * 3.6e6
    rows = tuple(
        Work(
            row.text("layer"), row.text("phase"), row.text("type"), row.word("basis", ("measured", "modelled")),
            row.needed("energy_j", most_j), row.known("low_j", most_j), row.known("high_j", most_j),
            row.known("flops", 1e30),
        )
        for row in told.objects("rows")
    )  # fmt: skip
    return Layers(told.needed("application_j", most_j, amounts.positive), rows)


def _instant(told: _Reader) -> str | None:
    text = told.text("started")
    if not text:
        return None
    try:
        instant = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        raise UsageError(f"{told.where}, started is {text!r}", "write it as 2026-11-28T12:00:00Z") from None
    if instant.tzinfo is None:
        raise UsageError(f"{told.where}, started names no time zone", "end it with Z for UTC, or with its offset")
    return text
