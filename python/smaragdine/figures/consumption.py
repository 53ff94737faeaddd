"""What a profile took point by point, as it was and in a scenario: kilowatt-hours, CO2e or money."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import plotly.graph_objects as go

from smaragdine.accounts.energy import MODELLED_NOTICE
from smaragdine.errors import SmaragdineError
from smaragdine.figures import theme
from smaragdine.what_if.course import CO2E, KWH, Course
from smaragdine.what_if.line import Predicted

MOST_POINTS = 1000
PRESENT, ALTERNATIVE = "#0b8a60", "#c2570c"
OVERLAYS = ("#4b8fb8", "#7a5ea8", "#b0587e", "#8a94a0")
# Colours are told apart by their dashes as well.
_DASHES = ("dashdot", "longdash", "longdashdot", "dot")
# Below how much, in kilowatt-hours or grams, which unit.
_UNITS = {
    KWH: ((1e-3, 1e6, "mWh"), (1.0, 1e3, "Wh"), (1e3, 1.0, "kWh"), (math.inf, 1e-3, "MWh")),
    CO2E: ((1.0, 1e3, "mg CO2e"), (1e3, 1.0, "g CO2e"), (1e6, 1e-3, "kg CO2e"), (math.inf, 1e-6, "t CO2e")),
}
_INTERVAL = "90 % prediction interval"


@dataclass(frozen=True, slots=True)
class Compared:
    """What is drawn together: the present, what it becomes in a scenario, and other profiles beside it."""

    present: Course
    alternative: Course | None = None
    label: str = "alternative"
    overlays: Sequence[Course] = field(default=())

    @property
    def courses(self) -> list[Course]:
        return [self.present, *([self.alternative] if self.alternative else []), *self.overlays]


def consumption(
    compared: Compared, quantity: str = KWH, *, cumulative: bool = False, forwards: int = 0, backwards: int = 0
) -> go.Figure:
    """Each epoch or step, or the sum up to it; extrapolated by least squares, dotted, with its prediction interval.

    A course that cannot be drawn in this quantity, or not extrapolated, is left out, and the picture says why.
    """
    figure = go.Figure()
    said: list[str] = []
    factor, unit = scaled(quantity, _largest(compared, quantity, cumulative))
    looks = [(compared.present, "present", PRESENT, "solid")]
    if compared.alternative is not None:
        looks.append((compared.alternative, compared.label, ALTERNATIVE, "dash"))
    for index, course in enumerate(compared.overlays):
        looks.append((course, course.name, OVERLAYS[index % len(OVERLAYS)], _DASHES[index % len(_DASHES)]))
    for course, label, colour, dash in looks:
        name = theme.safe(theme.shorten(label, 48))
        try:
            _line(figure, course, name, colour, dash, quantity, cumulative, factor, unit)
            if forwards:
                _ahead(figure, name, colour, factor, unit, course.forwards(quantity, forwards, cumulative=cumulative))
            if backwards and not cumulative:
                _ahead(figure, name, colour, factor, unit, course.backwards(quantity, backwards))
        except SmaragdineError as error:
            said.append(error.message)
    if not figure.data:
        theme.say(figure, theme.safe(said[0] if said else "nothing to draw"))
    by = compared.present.by
    pues = {course.pue for course in compared.courses}
    pue = f", PUE {pues.pop():g} included" if len(pues) == 1 else ", PUE included"
    modelled = any(course.modelled for course in compared.courses)
    return theme.dress(
        figure,
        "Consumption",
        subtitle=theme.shorten("; ".join(dict.fromkeys(said)), 110),
        modelled=modelled,
        notice=MODELLED_NOTICE if modelled else None,
        all_of_it=all(course.modelled for course in compared.courses),
        height=380,
        showlegend=True,
        xaxis=theme.axis({"run": "the run"}.get(by, by), **_whole(compared, forwards + backwards)),
        yaxis=theme.axis(f"{unit} {'up to here' if cumulative else f'per {by}'}{pue}", rangemode="tozero"),
        legend={"orientation": "h", "x": 0, "y": -0.22, "yanchor": "top"},
        hovermode="x unified",
        margin={"l": 64, "b": 84, "t": 56},
    )


def _whole(compared: Compared, further: int) -> dict[str, float]:
    """Ticks at whole numbers: between few of them plotly would put fractions."""
    longest = max(course.numbers[-1] - course.numbers[0] for course in compared.courses) + further
    return {"dtick": 1} if longest <= 20 else {}


def scaled(quantity: str, largest: float) -> tuple[float, str]:
    """What kilowatt-hours or grams are multiplied with, and the unit that they then are in."""
    for below, factor, unit in _UNITS.get(quantity, ()):
        if largest < below:
            return factor, unit
    return 1.0, "money"


def _largest(compared: Compared, quantity: str, cumulative: bool) -> float:
    largest = 0.0
    for course in compared.courses:
        try:
            values = course.values(quantity)
        except SmaragdineError:
            continue
        largest = max(largest, sum(values) if cumulative else max(values))
    return largest


def _line(
    figure: go.Figure,
    course: Course,
    name: str,
    colour: str,
    dash: str,
    quantity: str,
    cumulative: bool,
    factor: float,
    unit: str,
) -> None:
    numbers, values = drawn(course, quantity, cumulative)
    figure.add_scatter(
        x=numbers,
        y=[value * factor for value in values],
        name=name,
        legendgroup=name,
        mode="lines+markers" if len(values) <= 60 else "lines",
        line={"color": colour, "width": 2.2, "dash": dash},
        marker={"size": 6},
        hovertemplate=f"%{{y:.4g}} {unit}",
    )


def drawn(course: Course, quantity: str, cumulative: bool) -> tuple[list[int], list[float]]:
    """At most a thousand points: beyond, equally many neighbours are one, their mean or the sum up to the last."""
    values = course.cumulative(quantity) if cumulative else course.values(quantity)
    numbers = list(course.numbers)
    each = -(-len(values) // MOST_POINTS)
    if each > 1:
        groups = [range(start, min(start + each, len(values))) for start in range(0, len(values), each)]
        values = [values[g[-1]] if cumulative else sum(values[i] for i in g) / len(g) for g in groups]
        numbers = [numbers[g[-1] if cumulative else g[0]] for g in groups]
    return numbers, values


def hovered(compared: Compared, quantity: str, cumulative: bool) -> dict[str, object] | None:
    """What a page needs to draw a place that is hovered by itself: kilowatt-hours of each point, to be multiplied with
    the place's grams and a factor. None where a place changes nothing."""
    if quantity != CO2E:
        return None
    x, kwh = drawn(compared.alternative or compared.present, KWH, cumulative)
    factor, unit = scaled(quantity, _largest(compared, quantity, cumulative))
    return {"x": x, "kwh": kwh, "factor": factor, "unit": unit, "colour": ALTERNATIVE}


def _ahead(figure: go.Figure, name: str, colour: str, factor: float, unit: str, predicted: Sequence[Predicted]) -> None:
    x = [one.number for one in predicted]
    low, high = [one.low * factor for one in predicted], [one.high * factor for one in predicted]
    figure.add_scatter(
        x=x + x[::-1], y=high + low[::-1], fill="toself", mode="lines", fillcolor=theme.faint(colour),
        # That of one point alone has no area.
        line={"width": 0 if len(x) > 1 else 9, "color": theme.faint(colour)},
        hoverinfo="skip", legendgroup=name, showlegend=False, name=_INTERVAL,
    )  # fmt: skip
    figure.add_scatter(
        x=x, y=[one.value * factor for one in predicted], mode="lines+markers", legendgroup=name, showlegend=False,
        name=f"{name}, extrapolated", line={"color": colour, "width": 1.6, "dash": "dot"},
        marker={"size": 5, "symbol": "circle-open"},
        customdata=list(zip(low, high, strict=True)),
        hovertemplate=f"%{{y:.4g}} {unit} (%{{customdata[0]:.4g}} to %{{customdata[1]:.4g}})",
    )  # fmt: skip
