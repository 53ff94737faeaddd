"""Maps of the states of the USA and of the world, coloured by the carbon intensity of their electricity.

The borders come with the package (`maps/`): plotly would ask its own server for them.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import plotly.graph_objects as go

from smaragdine.carbon.intensity import DIRECT, LIFECYCLE
from smaragdine.carbon.lookup import default
from smaragdine.carbon.ranking import Ranked, rank
from smaragdine.figures import theme

STATES, WORLD = "states", "world"
SCOPES = {STATES: DIRECT, WORLD: LIFECYCLE}
"""What each map counts: eGRID's states what power stations emit, countries their lifecycle too."""
_FOLDER = Path(__file__).parent / "maps"
_FILES = {"usa_110m.json", "world_110m.json"}
HERE, CHOSEN = "#0b8a60", "#c2570c"


@cache
def places(kind: str) -> tuple[Ranked, ...]:
    """Those of a map, cleanest first."""
    of = {STATES: "state", WORLD: "country"}[kind]
    return tuple(one for one in rank(default(), SCOPES[kind]) if one.kind == of and (kind == WORLD or "-" in one.place))


def borders(name: str) -> bytes | None:
    """The topology that plotly asks for by this name; None where there is none of it."""
    return (_FOLDER / name).read_bytes() if name in _FILES else None


def regions(kind: str = STATES, *, here: str | None = None, chosen: str | None = None) -> go.Figure:
    """One map; where the run was and what was chosen instead are framed. A point's `customdata` is its place's code."""
    held = places(kind)
    base = next((one.g_per_kwh for one in held if one.place == here), None)
    figure = go.Figure()
    figure.add_choropleth(
        locations=[_location(one.place) for one in held],
        locationmode="USA-states" if kind == STATES else "ISO-3",
        z=[one.g_per_kwh for one in held],
        zmin=0,
        zmax=900 if kind == STATES else 800,
        customdata=[one.place for one in held],
        text=[_told(one, base) for one in held],
        hovertemplate="%{text}<extra></extra>",
        colorscale=theme.PLAIN_SCALE,
        marker={"line": {"color": theme.LINE, "width": 0.4}},
        colorbar={
            "title": {"text": "g CO2e per kWh", "side": "right"},
            "thickness": 8,
            "len": 0.9,
            "outlinewidth": 0,
            "orientation": "h",
            "y": -0.02,
            "yanchor": "top",
        },
    )
    for place, colour in ((here, HERE), (chosen, CHOSEN)):
        if place and any(one.place == place for one in held):
            _frame(figure, kind, place, colour)
    return theme.dress(
        figure,
        "",
        modelled=False,
        height=340,
        margin={"l": 0, "r": 0, "t": 0, "b": 44},
        geo={
            "scope": "usa" if kind == STATES else "world",
            "projection": {"type": "albers usa" if kind == STATES else "natural earth"},
            "bgcolor": "rgba(0,0,0,0)",
            "showlakes": False,
            "showland": True,
            "landcolor": "rgba(128, 138, 148, 0.18)",
            "showframe": False,
            "showcoastlines": False,
            "lataxis": {} if kind == STATES else {"range": [-58, 85]},
        },
    )


def _frame(figure: go.Figure, kind: str, place: str, colour: str) -> None:
    figure.add_choropleth(
        locations=[_location(place)],
        locationmode="USA-states" if kind == STATES else "ISO-3",
        z=[0],
        colorscale=[[0, "rgba(0,0,0,0)"], [1, "rgba(0,0,0,0)"]],
        marker={"line": {"color": colour, "width": 3}},
        showscale=False,
        hoverinfo="skip",
    )


def difference(g_per_kwh: float, base: float | None) -> str:
    """`−94 % CO2e`; empty where there is nothing to compare with."""
    if not base:
        return ""
    change = 100 * (g_per_kwh / base - 1)
    return f"{'−' if change < 0 else '+'}{abs(change):.0f} % CO2e" if abs(change) >= 0.5 else "as now"


def _told(one: Ranked, base: float | None) -> str:
    figure = f"{one.g_per_kwh:.3g} g/kWh, {one.intensity.scope} {one.intensity.year}"
    lines = [f"<b>{theme.safe(one.name)}</b>", figure, difference(one.g_per_kwh, base)]
    return "<br>".join(filter(None, lines))


def _location(place: str) -> str:
    """As plotly's maps call it: `US-GA` is `GA`, countries by their three letters."""
    return place.removeprefix("US-")


def by_name(held: Sequence[Ranked], text: str) -> list[Ranked]:
    """Those whose name or code holds a text."""
    wanted = text.strip().casefold()
    return [one for one in held if wanted in one.name.casefold() or wanted in one.place.casefold()]
