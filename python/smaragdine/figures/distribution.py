"""The EDD of one level, as the field draws it: round boxes for layers, sharp ones for tensors, arrows for dataflow."""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go

from smaragdine.edd import EDD
from smaragdine.figures import theme
from smaragdine.figures.level import TITLE_HEIGHT, Box, arrange
from smaragdine.figures.sunburst import hover
from smaragdine.quantity import joules, percent

_RADIUS = 13.0


def distribution(edd: EDD, layer: str | None = None) -> go.Figure:
    """The level inside `layer` (a path): each box with its share of the level, deeper colour for a larger share.

    Without `layer`, the first level that has more than one box. Raises SmaragdineError where there is no such layer.
    """
    box = edd.find(layer) if layer is not None else entrance(edd)
    level = arrange(box)
    figure = go.Figure()
    shapes: list[dict[str, Any]] = [
        {"type": "path", "path": _rounded(1, 1, level.width - 2, level.height - 2, 18), "layer": "below",
         "line": {"color": theme.GRID, "width": 1.2}}
    ]  # fmt: skip
    for route in level.routes:
        shapes.append({"type": "path", "path": route.path(), "line": {"color": theme.LINE, "width": 1.3}})
        shapes.append(
            {"type": "path", "path": route.head(), "fillcolor": theme.LINE, "line": {"color": theme.LINE, "width": 0.5}}
        )
    for child in level.boxes:
        fill = theme.colour(child.share)
        outline = {"color": theme.colour(min(1.0, child.share + 0.35)), "width": 1.3}
        path = _rounded(child.x, child.y, child.width, child.height, _RADIUS if child.rounded else 0)
        shapes.append({"type": "path", "path": path, "fillcolor": fill, "line": outline})
        figure.add_annotation(
            x=child.x + child.width / 2,
            y=child.y + child.height / 2,
            text=f"{theme.safe(child.name)}<br><b>{percent(child.share)}</b>",
            font={"size": 12, "color": theme.ink_on(fill)},
            showarrow=False,
        )
    figure.add_annotation(
        x=16, y=TITLE_HEIGHT / 2 + 6, xanchor="left", showarrow=False, font={"size": 13},
        text=f"<b>{theme.safe(theme.shorten(box.path or box.name, 60))}</b>",
    )  # fmt: skip
    if not level.boxes:
        figure.add_annotation(
            x=level.width / 2, y=level.height / 2 + 10, text="a tensor: nothing inside", showarrow=False
        )
    figure.add_scatter(
        x=[child.x + child.width / 2 for child in level.boxes],
        y=[child.y + child.height / 2 for child in level.boxes],
        mode="markers",
        marker={"size": 40, "opacity": 0},
        hovertext=[_hover(child, edd) for child in level.boxes],
        hovertemplate="%{hovertext}<extra></extra>",
        showlegend=False,
    )
    theme.dress(
        figure,
        f"Energy distribution: {joules(box.energy_j)}" + (f", {box.phase} pass" if box.phase else ""),
        modelled=edd.modelled,
        margin={"l": 10, "r": 10, "b": 10},
        shapes=shapes,
    )
    top = figure.layout.margin.t
    figure.update_layout(
        width=max(level.width + 20, 620 if edd.modelled else 380),
        height=level.height + top + 10,
        xaxis={"visible": False, "range": [0, level.width], "constrain": "domain", "fixedrange": True},
        yaxis={"visible": False, "range": [level.height, 0], "scaleanchor": "x", "fixedrange": True},
    )
    return figure


def entrance(edd: EDD) -> EDD:
    """The outermost level with something to compare."""
    while len(edd.children) == 1 and edd.children[0].children:
        edd = edd.children[0]
    return edd


def _hover(box: Box, edd: EDD) -> str:
    return hover(box.edd, edd.energy_j) if box.edd else f"<b>{theme.safe(box.name)}</b><br>{percent(box.share)}"


def _rounded(x: float, y: float, width: float, height: float, radius: float) -> str:
    """A rectangle as an SVG path, its corners rounded by `radius`."""
    r, right, bottom = min(radius, height / 2), x + width, y + height
    if r <= 0:
        return f"M{x},{y}L{right},{y}L{right},{bottom}L{x},{bottom}Z"
    return (
        f"M{x + r},{y}L{right - r},{y}Q{right},{y} {right},{y + r}L{right},{bottom - r}Q{right},{bottom} "
        f"{right - r},{bottom}L{x + r},{bottom}Q{x},{bottom} {x},{bottom - r}L{x},{y + r}Q{x},{y} {x + r},{y}Z"
    )
