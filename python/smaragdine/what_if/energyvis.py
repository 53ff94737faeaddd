"""Profiles of EnergyVis (2021): kilowatt-hours by epoch, a state of the USA, and parts by their names."""

from __future__ import annotations

from typing import Any

from smaragdine.errors import SmaragdineError, UsageError
from smaragdine.what_if import amounts, parts
from smaragdine.what_if.part import Part
from smaragdine.what_if.point import COMPONENTS, Point

_NEEDED = ("components", "serverData")


def is_one(content: object) -> bool:
    return isinstance(content, dict) and all(name in content for name in _NEEDED)


def fields(content: dict[str, Any], where: str) -> dict[str, Any]:
    """Those of a `Profile`. Raises UsageError with the place of what makes no sense.

    Parts that nothing here knows stay, by their name.
    """
    series = {
        name: _epochs(told, f"{where}, serverData.{name}")
        for name, told in _object(content["serverData"], f"{where}, serverData").items()
        if name in COMPONENTS
    }
    lengths = {len(one) for one in series.values()}
    if len(lengths) != 1 or not lengths.pop():
        told = ", ".join(f"{name} {len(one)}" for name, one in series.items()) or "none"
        raise UsageError(f"{where}: its components have different numbers of epochs: {told}")
    points = tuple(
        Point(number, dict(zip(series, of, strict=True)))
        for number, of in enumerate(zip(*series.values(), strict=True))
    )
    held = [
        part
        for kind, names in _object(content["components"], f"{where}, components").items()
        if kind in ("cpu", "gpu")
        for part in _parts(kind, names, f"{where}, components.{kind}")
    ]
    name = content.get("name")
    return {
        "name": name if isinstance(name, str) and name else "profile",
        "by": "epoch",
        "points": points,
        "parts": tuple(held),
        "region": _region(content.get("location"), where),
        "pue": amounts.pue(content["PUE"]) if content.get("PUE") is not None else None,
        "source": "an EnergyVis profile",
    }


def _object(value: object, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise UsageError(f"{where} is no object")
    return value


def _epochs(told: object, where: str) -> list[float]:
    values = _object(told, where).get("epoch")
    if not isinstance(values, list):
        raise UsageError(f"{where}.epoch is no list of kilowatt-hours")
    return [
        amounts.amount(value, f"{where}.epoch[{place}]", amounts.MOST_KWH, " kWh") for place, value in enumerate(values)
    ]


def _parts(kind: str, names: object, where: str) -> list[Part]:
    held = []
    for name, count in _object(names, where).items():
        quantity = amounts.positive(count, f"{where}.{name}", amounts.MOST_QUANTITY)
        try:
            held.append(parts.find(name, kind, quantity))
        except SmaragdineError:
            # Its energy is known all the same; to change the hardware, somebody tells power and speed.
            held.append(Part(name, kind, quantity))
    return held


def _region(told: object, where: str) -> str | None:
    from smaragdine.carbon.lookup import default

    if told in (None, ""):
        return None
    if not isinstance(told, str):
        raise UsageError(f"{where}: location {told!r} is no name of a place")
    # Georgia is a country as well; here places are states first.
    lookup = default()
    state = next((code for code in lookup.codes(told) if code.startswith("US-")), None)
    return state or lookup.find(told).place
