"""What a gesture on the page makes of its state. Pure: the page calls it, tests call it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from smaragdine.errors import UsageError
from smaragdine.figures.regions import SCOPES, STATES, WORLD
from smaragdine.view.shelf import Shelf
from smaragdine.view.what_if.state import MOST_AHEAD, State
from smaragdine.what_if import amounts, best_window, parts
from smaragdine.what_if.course import QUANTITIES
from smaragdine.what_if.layers import QUESTIONS
from smaragdine.what_if.part import Part
from smaragdine.what_if.speed import FP32_PER_CYCLE, Speed

_SPEED = ("cores", "clock", "width")

_CONSTANTS: dict[str, Callable[[Any], float]] = {
    "pue": amounts.pue,
    "g_per_kwh": amounts.intensity,
    "price": lambda value: amounts.positive(value, "the price", 1e4),
    "power_w": lambda value: amounts.positive(value, "the power", amounts.MOST_W, " W"),
    "duration_h": lambda value: amounts.positive(value, "the duration", 1e6, " h"),
}


def pressed(state: State, shelf: Shelf, what: str, of: Any) -> State:
    """A button: of a profile, of a part, of the stepper. Raises SmaragdineError where that makes no sense."""
    if what == "profile":
        # The scenario stays: the same alternatives of another profile. Its parts are another machine's.
        kept = replace(state.scenario, parts=None, question="", layer="")
        first = State.first(shelf, int(of))
        overlays = tuple(place for place in state.overlays if place != int(of))
        return replace(state, profile=int(of), overlays=overlays, scenario=kept, speeds={}, quantity=first.quantity)
    if what == "overlay":
        place = int(of)
        if place == state.profile:
            return state
        held = tuple(one for one in state.overlays if one != place)
        return replace(state, overlays=held if place in state.overlays else (*held, place))
    if what in ("forwards", "backwards"):
        count = getattr(state, what) + (1 if of == "more" else -1)
        return replace(state, **{what: min(MOST_AHEAD, max(0, count))})
    if what == "reset":
        return State.first(shelf, state.profile)
    if what == "remove":
        held_parts = _parts(state, shelf)
        if len(held_parts) == 1:
            raise UsageError("a job needs hardware", "add another part first")
        place = int(of)
        speeds = {str(int(k) - (int(k) > place)): v for k, v in state.speeds.items() if int(k) != place}
        state = replace(state, speeds=speeds)
        return state.varied(parts=tuple(p for index, p in enumerate(held_parts) if index != place))
    if what == "best":
        profile = shelf.profiles[state.profile]
        if not state.scenario.curve:
            raise UsageError("there is no curve to find the best hours in", "type a day's intensities first")
        return state.varied(hours=best_window(profile, state.scenario.curve).hours)
    raise UsageError(f"there is no button {what!r}")


def typed(state: State, shelf: Shelf, what: str, of: Any, value: Any) -> State:
    """A field, a choice or a list. Raises SmaragdineError where what was typed makes no sense."""
    if what in ("quantity", "map", "find", "cumulative"):
        return _drawn(state, what, value)
    if what == "region":
        return state.varied(region=str(value or ""), scope=SCOPES[state.map] if value else "", g_per_kwh=None)
    if what in _CONSTANTS:
        return state.varied(**{what: None if value in (None, "") else _CONSTANTS[what](value)})
    if what == "hours":
        return state.varied(hours=0.0 if value in (None, "") else amounts.between(value, "the shift", 24.0 * 366, " h"))
    if what == "curve":
        return state.varied(curve=_curve(str(value or "")))
    if what == "layer":
        return state.varied(layer=str(value or ""), question=state.scenario.question if value else "")
    if what == "question":
        if value and value not in QUESTIONS:
            raise UsageError(f"there is no question {value!r}")
        return state.varied(question=str(value or "") if state.scenario.layer else "")
    if what == "add":
        return _added(state, shelf, str(value)) if value else state
    return _part(state, shelf, what, int(of), value)


def clicked(state: State, place: str) -> State:
    """A place on the map; the same one again is none."""
    return typed(state, Shelf(), "region", None, "" if place == state.scenario.region else place)


def _drawn(state: State, what: str, value: Any) -> State:
    if what == "quantity" and value in QUANTITIES:
        return replace(state, quantity=value)
    if what == "map" and value in (STATES, WORLD):
        # Its figures count something else: what was chosen on the other map has no place on it.
        kept = state.scenario if value == state.map else replace(state.scenario, region="", scope="")
        return replace(state, map=value, find="", scenario=kept)
    if what == "find":
        return replace(state, find=str(value or "")[:100])
    if what == "cumulative":
        return replace(state, cumulative=bool(value))
    raise UsageError(f"{what} cannot be {value!r}")


def _curve(text: str) -> tuple[float, ...]:
    words = re.split(r"[\s,;]+", text.strip()) if text.strip() else []
    try:
        values = tuple(amounts.intensity(float(word)) for word in words)
    except ValueError:
        raise UsageError("the curve holds something that is no number", "24 numbers, of g/kWh") from None
    if values and 1440 % len(values):
        raise UsageError(f"{len(values)} values divide no day into equal parts", "24 for hours, 48 for half hours")
    return values


def _parts(state: State, shelf: Shelf) -> tuple[Part, ...]:
    told = state.scenario.parts
    return shelf.profiles[state.profile].parts if told is None else told


def _added(state: State, shelf: Shelf, name: str) -> State:
    kind, _, called = name.partition(":")
    part = parts.find(called, kind)
    return state.varied(parts=(*_parts(state, shelf), part))


def _part(state: State, shelf: Shelf, what: str, place: int, value: Any) -> State:
    held = list(_parts(state, shelf))
    if not 0 <= place < len(held):
        raise UsageError("that part is not there any more")
    part, where = held[place], f"of {held[place].name}"
    known = None if value in (None, "") else value
    if what == "count":
        held[place] = replace(part, quantity=amounts.positive(known, f"the quantity {where}", amounts.MOST_QUANTITY))
    elif what == "power":
        watts = None if known is None else amounts.positive(known, f"the power {where}", amounts.MOST_W, " W")
        held[place] = replace(part, power_w=watts)
    elif what == "speed":
        tera = None if known is None else amounts.positive(known, f"the speed {where}", 1e8, " TFLOP/s")
        held[place] = replace(part, flops=None if tera is None else tera * 1e12)
    elif what in _SPEED:
        number = None if known is None else amounts.positive(known, f"{what} {where}", 1e5)
        now = list(state.speeds.get(str(place), (None, None, FP32_PER_CYCLE)))
        now[_SPEED.index(what)] = number
        state = replace(state, speeds={**state.speeds, str(place): (now[0], now[1], now[2])})
        if all(one is not None for one in now):
            cores, clock, width = (float(one or 0) for one in now)
            held[place] = replace(part, flops=Speed(cores, clock * 1e9, width).flops)
    else:
        raise UsageError(f"a part has no {what!r}")
    as_it_was = tuple(held) == shelf.profiles[state.profile].parts
    return state.varied(parts=None if as_it_was else tuple(held))
