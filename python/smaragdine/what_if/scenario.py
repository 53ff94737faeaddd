"""`Scenario`: what is varied of a profile, as a value that an address or a file holds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any
from urllib.parse import parse_qsl, urlencode

from smaragdine.errors import UsageError
from smaragdine.what_if import amounts
from smaragdine.what_if.layers import QUESTIONS
from smaragdine.what_if.part import KINDS, Part

_SCOPES = ("", "lifecycle", "direct")
_LONGEST = 20_000
_MOST_PARTS = 64
_MOST_HOURS = 24.0 * 366
_MOST_PRICE = 1e4
_MOST_DURATION_H = 1e6


@dataclass(frozen=True, slots=True)
class Scenario:
    """Every field is as in the profile where it has its default."""

    region: str = ""
    scope: str = ""
    """Of the intensities: `direct` or `lifecycle`; empty where the place decides."""
    g_per_kwh: float | None = None
    """Instead of the place's own."""
    pue: float | None = None
    parts: tuple[Part, ...] | None = None
    hours: float = 0.0
    curve: tuple[float, ...] = ()
    """A day's intensities, in UTC from midnight on; the shift is against it."""
    question: str = ""
    """A word of `layers.QUESTIONS`, about `layer`."""
    layer: str = ""
    power_w: float | None = None
    """Of the whole machine in the mean, without PUE; energy follows it."""
    duration_h: float | None = None
    """Of all epochs or steps together; energy follows it."""
    price: float | None = None
    """Money for a kilowatt-hour, in whatever currency."""

    def to_json(self) -> dict[str, Any]:
        """Only what is varied."""
        told: dict[str, Any] = {}
        for field in fields(self):
            value = getattr(self, field.name)
            if value != field.default:
                told[field.name] = value
        if self.parts is not None:
            told["parts"] = [
                {"name": p.name, "kind": p.kind, "quantity": p.quantity, "power_w": p.power_w, "flops": p.flops}
                for p in self.parts
            ]
        if self.curve:
            told["curve"] = list(self.curve)
        return told

    @classmethod
    def of_json(cls, told: object) -> Scenario:
        """Raises UsageError for what is no scenario."""
        if not isinstance(told, Mapping):
            raise UsageError("the scenario is no object")
        known = {field.name for field in fields(cls)}
        if unknown := next((name for name in told if name not in known), None):
            raise UsageError(f"a scenario has no {unknown!r}", f"it has {', '.join(sorted(known))}")
        words = {name: _text(told, name) for name in ("region", "scope", "question", "layer")}
        for name, allowed in (("scope", _SCOPES), ("question", ("", *QUESTIONS))):
            if words[name] not in allowed:
                raise UsageError(f"the scenario's {name} is {words[name]!r}", f"it is one of {', '.join(allowed[1:])}")
        parts = told.get("parts")
        curve = told.get("curve", [])
        if not isinstance(curve, (list, tuple)):
            raise UsageError("the scenario's curve is no list")
        return cls(
            **words,
            g_per_kwh=None if told.get("g_per_kwh") is None else amounts.intensity(told["g_per_kwh"]),
            pue=None if told.get("pue") is None else amounts.pue(told["pue"]),
            parts=None if parts is None else _parts(parts),
            hours=amounts.between(told.get("hours", 0.0), "the shift", _MOST_HOURS, " h"),
            curve=tuple(amounts.intensity(value) for value in curve),
            power_w=_known(told, "power_w", "the power", amounts.MOST_W),
            duration_h=_known(told, "duration_h", "the duration", _MOST_DURATION_H),
            price=_known(told, "price", "the price", _MOST_PRICE),
        )

    def address(self, **further: str) -> str:
        """As the part of a page's address behind `#`, with what else the page wants to have there."""
        told = self.to_json()
        pairs = {"if": json.dumps(told, separators=(",", ":"), ensure_ascii=False)} if told else {}
        return urlencode(further | pairs)

    @classmethod
    def of_address(cls, text: str) -> tuple[Scenario, dict[str, str]]:
        """The scenario of an address and what else it holds. Raises UsageError for what is no scenario."""
        if len(text) > _LONGEST:
            raise UsageError("the address is too long for a scenario")
        pairs = dict(parse_qsl(text.removeprefix("#")))
        told = pairs.pop("if", "{}")
        try:
            return cls.of_json(json.loads(told)), pairs
        except (ValueError, RecursionError):
            raise UsageError("the address holds no scenario that can be read") from None


def _text(told: Mapping[str, Any], name: str) -> str:
    value = told.get(name, "")
    if not isinstance(value, str) or len(value) > 1000:
        raise UsageError(f"the scenario's {name} is no text")
    return value


def _known(told: Mapping[str, Any], name: str, what: str, most: float) -> float | None:
    return None if told.get(name) is None else amounts.positive(told[name], what, most)


def _parts(told: object) -> tuple[Part, ...]:
    if not isinstance(told, list) or not 0 < len(told) <= _MOST_PARTS:
        raise UsageError(f"the scenario's parts are no list of 1 to {_MOST_PARTS}")
    held = []
    for place, one in enumerate(told, 1):
        where = f"of part {place}"
        if not isinstance(one, Mapping) or one.get("kind") not in KINDS:
            raise UsageError(f"the kind {where} is neither {' nor '.join(KINDS)}")
        power_w, flops = one.get("power_w"), one.get("flops")
        held.append(
            Part(
                _text(one, "name") or "unnamed",
                one["kind"],
                amounts.positive(one.get("quantity"), f"the quantity {where}", amounts.MOST_QUANTITY),
                None if power_w is None else amounts.positive(power_w, f"the power {where}", amounts.MOST_W, " W"),
                None if flops is None else amounts.positive(flops, f"the speed {where}", amounts.MOST_FLOPS, " FLOP/s"),
            )
        )
    return tuple(held)
