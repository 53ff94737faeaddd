"""A metric against the energy that it took, with the front of those that nothing else beats."""

from __future__ import annotations

import plotly.graph_objects as go

from smaragdine.accounts.sample import Sample
from smaragdine.accounts.unit import Unit
from smaragdine.carbon.leaderboard import Leaderboard, Standing
from smaragdine.figures import theme

FRONT, OTHER = "#0b8a60", "#d98c00"
_SYMBOLS = {"measured": "circle", "modelled": "diamond-open"}
_MOST_NAMES = 6


def leaderboard(board: Leaderboard) -> go.Figure:
    """Points are runs, or groups with their standard errors; those of the front are joined by a line, for each basis.

    Modelled energies have symbols of their own, since they do not compare with measured ones.
    """
    ranked = [one for one in board.standings if one.rank is not None and one.energy_kwh.n]
    unit = Unit.of_kwh(one.energy_kwh.mean for one in ranked)
    figure = go.Figure()
    for basis in dict.fromkeys(one.basis or "" for one in ranked):
        of = sorted((one for one in ranked if one.basis == basis), key=lambda one: one.energy_kwh.mean or 0.0)
        steps = [one for one in of if one.pareto]
        if len(steps) > 1:
            figure.add_scatter(
                x=[_x(one, unit) for one in steps], y=[one.metric.mean for one in steps], mode="lines",
                line={"color": FRONT, "width": 1.5, "shape": "hv", "dash": "dot"}, hoverinfo="skip", showlegend=False,
            )  # fmt: skip
        for on in (True, False):
            if points := [one for one in of if bool(one.pareto) is on]:
                _points(figure, points, unit, basis, on, names=len(ranked) <= _MOST_NAMES)
    if not ranked:
        theme.say(figure, "no run finished with metric and energy")
    errors = any(one.metric.n > 1 for one in ranked)
    if errors:
        theme.whiskers(figure, "standard error")
    name = theme.shorten(board.metric.name, 40)
    way = "lower" if board.metric.lower else "higher"
    numbered = "; numbers are ranks" if len(ranked) > _MOST_NAMES else ""
    modelled = bool(ranked) and all(one.basis == "modelled" for one in ranked)
    return theme.dress(
        figure,
        f"{name} against energy",
        subtitle=f"{way} is better; the line joins what nothing else beats"
        + (numbered if len(ranked) > _MOST_NAMES else ""),
        modelled=modelled,
        notice=next(iter(board.notices), None),
        all_of_it=modelled,
        height=440,
        xaxis=theme.axis(f"energy, {unit.name}, with PUE"),
        yaxis=theme.axis(theme.safe(name)),
        legend=theme.LEGEND,
        margin={"l": 64, "b": 56, "t": 64, "r": 40},
    )


def _points(figure: go.Figure, of: list[Standing], unit: Unit, basis: str, on: bool, *, names: bool) -> None:
    figure.add_scatter(
        x=[_x(one, unit) for one in of],
        y=[one.metric.mean for one in of],
        mode="markers+text",
        # Names of many lie over each other; their ranks lead to the table.
        text=[theme.safe(theme.shorten(one.name, 28)) if names else str(one.rank) for one in of],
        textposition="top left",
        textfont={"size": 11},
        cliponaxis=False,
        name=f"{'on the front' if on else 'beaten'}, {basis}",
        marker={"color": FRONT if on else OTHER, "size": 10, "symbol": _SYMBOLS.get(basis, "square-open")},
        error_x=_whiskers([one.energy_kwh for one in of], unit.factor),
        error_y=_whiskers([one.metric for one in of], 1.0),
        hovertext=[_hover(one, unit) for one in of],
        hovertemplate="%{hovertext}<extra></extra>",
    )


def _x(one: Standing, unit: Unit) -> float:
    return (one.energy_kwh.mean or 0.0) * unit.factor


def _whiskers(samples: list[Sample], factor: float) -> dict[str, object]:
    errors = [(sample.se or 0.0) * factor for sample in samples]
    return {"type": "data", "array": errors, "visible": any(errors), "thickness": 1, "width": 3}


def _hover(one: Standing, unit: Unit) -> str:
    lines = [
        f"<b>{theme.safe(theme.shorten(one.name, 120))}</b>",
        f"{one.metric.text()} at {unit.told(one.energy_kwh)} {one.basis}",
        f"{one.metric.n} of {one.runs} runs" if one.runs > 1 else "",
    ]
    return "<br>".join(line for line in lines if line)
