"""What the tab shows: which profile, beside which others, in which scenario, and how it is drawn."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlencode

from smaragdine.errors import UsageError
from smaragdine.figures.regions import STATES, WORLD
from smaragdine.view.shelf import Shelf
from smaragdine.what_if.course import CO2E, KWH, QUANTITIES
from smaragdine.what_if.scenario import Scenario

MOST_AHEAD = 100
_MOST_SPEEDS = 64


@dataclass(frozen=True, slots=True)
class State:
    """A value: every change makes another one, so that undoing is going back to the one before."""

    profile: int = 0
    overlays: tuple[int, ...] = ()
    scenario: Scenario = field(default_factory=Scenario)
    quantity: str = KWH
    cumulative: bool = False
    forwards: int = 0
    backwards: int = 0
    map: str = STATES
    find: str = ""
    speeds: Mapping[str, tuple[float | None, float | None, float | None]] = field(default_factory=dict)
    """Of processors by their place among the parts: cores, GHz and FP32 operations per cycle, as typed."""

    @classmethod
    def first(cls, shelf: Shelf, profile: int = 0) -> State:
        """A profile as it is."""
        region = shelf.profiles[profile].region if shelf.profiles else None
        is_state = region is None or region.startswith("US-")
        return cls(profile=profile, quantity=CO2E if region else KWH, map=STATES if is_state else WORLD)

    def to_json(self) -> dict[str, Any]:
        return {
            "profile": self.profile, "overlays": list(self.overlays), "scenario": self.scenario.to_json(),
            "quantity": self.quantity, "cumulative": self.cumulative, "forwards": self.forwards,
            "backwards": self.backwards, "map": self.map, "find": self.find,
            "speeds": {place: list(speed) for place, speed in self.speeds.items()},
        }  # fmt: skip

    @classmethod
    def of_json(cls, told: object, shelf: Shelf) -> State:
        """Raises SmaragdineError for what is no state of this page."""
        if not isinstance(told, Mapping):
            raise UsageError("the scenario is not one of this page")
        overlays = told.get("overlays", [])
        if not isinstance(overlays, list):
            raise UsageError("the scenario's overlays are no list")
        return cls(
            profile=_place(told.get("profile", 0), shelf),
            overlays=tuple(dict.fromkeys(_place(one, shelf) for one in overlays)),
            scenario=Scenario.of_json(told.get("scenario", {})),
            quantity=_word(told, "quantity", QUANTITIES),
            cumulative=bool(told.get("cumulative", False)),
            forwards=_count(told.get("forwards", 0)),
            backwards=_count(told.get("backwards", 0)),
            map=_word(told, "map", (STATES, WORLD)),
            find=str(told.get("find", ""))[:100],
            speeds=_speeds(told.get("speeds", {})),
        )

    def address(self, shelf: Shelf) -> str:
        """What stands behind `#`: profiles by their names, and only what differs from the profile as it is."""
        first, told = State.first(shelf, self.profile).to_json(), self.to_json()
        differs = {name: value for name, value in told.items() if value != first[name] and name not in ("find",)}
        differs["profile"] = shelf.names[self.profile]
        if self.overlays:
            differs["overlays"] = [shelf.names[place] for place in self.overlays]
        return urlencode({"tab": "what-if", "if": json.dumps(differs, separators=(",", ":"), ensure_ascii=False)})

    @classmethod
    def of_address(cls, text: str, shelf: Shelf) -> State:
        """Raises SmaragdineError, also where a profile that it names is not here."""
        try:
            told = json.loads(text)
        except (ValueError, RecursionError):
            raise UsageError("the address holds no scenario that can be read") from None
        if not isinstance(told, dict):
            raise UsageError("the address holds no scenario")
        named = [told.get("profile"), *(told.get("overlays") or [])]
        places = [shelf.place(str(name)) for name in named]
        if missing := next((name for name, place in zip(named, places, strict=True) if place is None), None):
            raise UsageError(f"the address is about the profile {missing!r}, which is not here", "import it first")
        first = cls.first(shelf, places[0] or 0).to_json()
        return cls.of_json(first | told | {"profile": places[0], "overlays": places[1:]}, shelf)

    def varied(self, **changed: Any) -> State:
        """With its scenario changed."""
        return replace(self, scenario=replace(self.scenario, **changed))


def _place(value: object, shelf: Shelf) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < len(shelf.profiles):
        raise UsageError("the scenario is about a profile that is not here", "import it first")
    return value


def _count(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MOST_AHEAD:
        raise UsageError(f"{value!r} points cannot be extrapolated", f"it is at most {MOST_AHEAD}")
    return value


def _word(told: Mapping[str, Any], name: str, words: tuple[str, ...]) -> str:
    value = told.get(name, words[0])
    if value not in words:
        raise UsageError(f"the scenario's {name} is {value!r}", f"it is one of {', '.join(words)}")
    return str(value)


def _speeds(told: object) -> dict[str, tuple[float | None, float | None, float | None]]:
    if not isinstance(told, Mapping) or len(told) > _MOST_SPEEDS:
        raise UsageError("the scenario's speeds are none")
    held: dict[str, tuple[float | None, float | None, float | None]] = {}
    for place, values in told.items():
        if not isinstance(values, (list, tuple)) or len(values) != 3:
            raise UsageError("a speed is cores, GHz and operations per cycle")
        cores, clock, width = (
            float(v) if isinstance(v, (int, float)) and not isinstance(v, bool) and 0 < v < 1e6 else None
            for v in values
        )
        held[str(place)[:8]] = (cores, clock, width)
    return held
