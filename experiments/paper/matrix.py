"""A number for each pair of things: a heat map with its numbers written in."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import plotly.graph_objects as go

from smaragdine.figures import theme

_CELL = 62


def matrix(
    values: Sequence[Sequence[float | None]],
    names: Sequence[str],
    title: str,
    *,
    unit: str,
    modelled: bool,
    text: Callable[[float], str],
) -> go.Figure:
    """Row by row; violet for negative, emerald for positive, deeper for more. `text` writes a number."""
    most = max((abs(value) for row in values for value in row if value is not None), default=0.0) or 1.0
    figure = go.Figure(
        go.Heatmap(
            z=values, x=list(names), y=list(names), zmin=-most, zmax=most, colorscale=theme.DIVERGING, xgap=2, ygap=2,
            colorbar={"title": {"text": unit, "side": "top"}, "thickness": 10, "outlinewidth": 0},
            hovertemplate="%{y}, %{x}: %{z:.4g} " + unit + "<extra></extra>",
        )
    )  # fmt: skip
    for i, row in enumerate(values):
        for k, value in enumerate(row):
            ink = theme.ink_on(theme.diverging(value / most)) if value is not None else theme.INK
            told = "–" if value is None else text(value)
            figure.add_annotation(x=k, y=i, text=told, showarrow=False, font={"size": 11, "color": ink})
    side = _CELL * len(names)
    axis = {"type": "category", "showgrid": False, "zeroline": False}
    return theme.dress(
        figure, title, modelled=modelled, width=max(640, side + theme.room(names) + 120), height=side + 130,
        xaxis=axis, yaxis=axis | {"autorange": "reversed"}, margin={"l": theme.room(names), "b": 60, "t": 60},
    )  # fmt: skip
