"""Profiles, hardware, hours and layers: what is chosen, and what can be changed."""

from __future__ import annotations

import heapq
from typing import Any

from dash import dcc, html

from smaragdine.accounts.words import LAYER_WORDS
from smaragdine.errors import SmaragdineError
from smaragdine.figures.regions import STATES, WORLD, by_name, difference, places
from smaragdine.figures.theme import shorten
from smaragdine.view.shelf import Shelf
from smaragdine.view.what_if.answer import home
from smaragdine.view.what_if.field import field
from smaragdine.view.what_if.state import State
from smaragdine.what_if.layers import QUESTIONS
from smaragdine.what_if.part import Part
from smaragdine.what_if.profile import Profile
from smaragdine.what_if.rescaling import ASSUMPTION
from smaragdine.what_if.speed import FP32_PER_CYCLE

_WORDS = {
    "without": "without it",
    "halved": "with half of its FLOPs",
    "shared": "with weights shared, as ALBERT",
    "early exit": "with an exit after it",
}


def profiles(state: State, shelf: Shelf) -> html.Div:
    """One button each selects; the plus beside it, or the other mouse button, lays it over."""
    chips = []
    for place, (name, profile) in enumerate(zip(shelf.names, shelf.profiles, strict=True)):
        over, here = place in state.overlays, place == state.profile
        chips.append(
            html.Span(
                [
                    html.Button(shorten(name, 40), id={"do": "profile", "to": place}, n_clicks=0, title=_about(profile),
                                className="name", **{"aria-pressed": "true" if here else "false"}),
                    html.Button("−" if over else "+", id={"do": "overlay", "to": place}, n_clicks=0, disabled=here,
                                className="over", title="lay over the chart, or take away",
                                **{"aria-label": f"overlay {name}", "aria-pressed": "true" if over else "false"}),
                ],
                className="chip" + " here" * here + " laid" * over,
            )
        )  # fmt: skip
    return html.Div(chips, className="chips")


def about(profile: Profile) -> list[Any]:
    told = [html.P(profile.notice, className="notice")] if profile.notice else []
    return [*told, html.P(_about(profile), className="fine")]


def _about(profile: Profile) -> str:
    parts = ", ".join(f"{part.quantity:g} × {part.name}" for part in profile.parts) or "hardware not told"
    several = "s" if len(profile.points) > 1 else ""
    return (
        f"{len(profile.points)} {profile.by}{several}, {profile.basis}; {parts}; "
        f"{profile.region or 'where it ran is unknown: choose a place to see CO2e'}; from {profile.source or 'a file'}"
    )


def hardware(state: State, profile: Profile) -> list[Any]:
    held = profile.parts if state.scenario.parts is None else state.scenario.parts
    rows = [
        html.Div(
            [
                html.Header([html.Span([html.B(part.kind.upper()), " ", part.name]),
                             html.Button("×", id={"do": "remove", "to": place}, n_clicks=0,
                                         **{"aria-label": f"remove {part.name}"})]),
                html.Div(
                    [
                        html.Label([_input("count", place, part.quantity), "of them"]),
                        html.Label([_input("power", place, part.power_w), "W each"]),
                        html.Label([_input("speed", place, _tera(part)), "FP32 TFLOP/s each"]),
                    ]
                ),
                *_product(state, place, part),
            ],
            className="part",
        )
        for place, part in enumerate(held)
    ]  # fmt: skip
    return [
        *(rows or [html.P("this profile names no hardware", className="fine")]),
        html.P(ASSUMPTION, className="fine"),
    ]


def _tera(part: Part) -> float | None:
    return None if part.flops is None else float(f"{part.flops / 1e12:.6g}")


def _product(state: State, place: int, part: Part) -> list[Any]:
    """What makes the speed of a processor."""
    if part.kind != "cpu":
        return []
    cores, clock, width = state.speeds.get(str(place), (None, None, FP32_PER_CYCLE))
    return [
        html.Div(
            ["= ", _input("cores", place, cores, "cores"), "cores ×", _input("clock", place, clock, "GHz"), "GHz ×",
             _input("width", place, width, ""), "FP32 per cycle"],
            className="product fine",
        )
    ]  # fmt: skip


def _input(what: str, place: int, value: float | None, word: str = "") -> dcc.Input:
    return dcc.Input(
        id=field(what, place, value), type="number", value=value, debounce=True, step="any",
        placeholder=word or "not told",
    )  # fmt: skip


def hours(state: State, profile: Profile) -> list[Any]:
    if profile.start is None or profile.duration_s is None:
        return [html.P("this profile does not tell when it started, or how long its points took", className="fine")]
    asked, curve = state.scenario, " ".join(f"{value:g}" for value in state.scenario.curve)
    return [
        html.P(f"It began at {profile.start.isoformat(sep=' ', timespec='minutes')}.", className="fine"),
        html.Label(
            [
                html.Span("g/kWh over a day from 0:00 UTC on, 24 numbers for hours"),
                dcc.Input(id=field("curve", "", curve), value=curve, debounce=True,
                          placeholder="410 400 390 …", className="wide"),
            ],
            className="constant",
        ),
        html.Label(
            [
                html.Span("hours later, or earlier where negative"),
                dcc.Input(id=field("hours", "", asked.hours), type="number", value=asked.hours, debounce=True,
                          step="any"),
                html.Button("best of the next day", id={"do": "best", "to": ""}, n_clicks=0, disabled=not asked.curve),
            ],
            className="constant",
        ),
    ]  # fmt: skip


# The browser's list of choices indexes every part of every name: a thousand of them would take it seconds.
_MOST_LAYERS = 150


def layers(state: State, profile: Profile) -> list[Any]:
    if profile.layers is None:
        return [html.P("this profile has no footprint by layer", className="fine")]
    asked = state.scenario
    energy_j: dict[str, float] = {}
    for row in profile.layers.rows:
        for path in _prefixes(row.layer) if row.layer not in LAYER_WORDS else ():
            name = "/".join(path)
            energy_j[name] = energy_j.get(name, 0.0) + row.energy_j
    held = set(heapq.nlargest(_MOST_LAYERS, energy_j, key=energy_j.__getitem__))
    paths = sorted(held | ({asked.layer} & energy_j.keys()))
    words = "an estimate from this trace's own joules; no kernel is run anew"
    if len(paths) < len(energy_j):
        words += (
            f"; the {len(held)} largest of {len(energy_j):,} layers are listed: open another under Explore to ask of it"
        )
    options = [{"label": "as it is", "value": ""}] + [{"label": _WORDS[word], "value": word} for word in QUESTIONS]
    told: Any = html.P(words, className="fine")
    if asked.question:
        try:
            told = html.P(str(QUESTIONS[asked.question](profile, asked.layer)), className="estimate")
        except SmaragdineError as error:
            told = html.P(str(error), className="notice")
    return [
        dcc.Dropdown(
            paths, asked.layer or None, id=field("layer", "", asked.layer), placeholder="a layer of the model"
        ),
        dcc.RadioItems(
            options, asked.question, id=field("question", "", asked.question), className="choice", inline=True
        ),
        told,
    ]


def _prefixes(layer: str) -> list[list[str]]:
    segments = layer.split("/")
    return [segments[:length] for length in range(1, len(segments) + 1)]


def place_list(state: State, profile: Profile) -> list[Any]:
    """Cleanest first, with the difference to where the run was; for those who prefer reading."""
    held = places(state.map)
    here = home(profile, state.map)
    base = next((one.g_per_kwh for one in held if one.place == here), None)
    options = [
        {
            "label": html.Span(
                [html.Span(one.name + (" (here)" if one.place == here else "")), html.I(f"{one.g_per_kwh:.3g}"),
                 html.Small(difference(one.g_per_kwh, base))]
            ),
            "value": one.place,
        }
        for one in by_name(held, state.find)
    ]  # fmt: skip
    if not options:
        return [html.P(f"no place is called {state.find}", className="fine")]
    chosen = state.scenario.region
    return [dcc.RadioItems(options, chosen or None, id=field("region", "", chosen), className="places")]


MAPS = [{"label": "US states, direct", "value": STATES}, {"label": "world, lifecycle", "value": WORLD}]
