"""Stretches of a picture's seconds that are told apart by a shade: traced steps, layers, pauses."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

PAUSED = "#8a8f98"


def shade(figure: go.Figure, spans: Sequence[Sequence[float]], colour: str, opacity: float) -> None:
    """From second to second, all at once: plotly looks through all shapes for each that is added alone."""
    shapes = [
        {"type": "rect", "xref": "x", "yref": "y domain", "x0": start_s, "x1": end_s,
         "y0": 0, "y1": 1, "fillcolor": colour, "opacity": opacity, "line": {"width": 0}, "layer": "below"}
        for start_s, end_s in spans
    ]  # fmt: skip
    figure.update_layout(shapes=[*figure.layout.shapes, *shapes])


def key(figure: go.Figure, name: str, colour: str) -> None:
    """An entry of the legend for what is shaded."""
    figure.add_scatter(
        x=[None], y=[None], mode="markers", name=name, marker={"symbol": "square", "size": 11, "color": colour}
    )
