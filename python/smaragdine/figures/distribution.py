"""The EDD of one level, as the field draws it: round boxes for layers, sharp ones for tensors, arrows for dataflow."""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go

from smaragdine.accounts.edd import EDD
from smaragdine.accounts.quantity import percent
from smaragdine.figures import theme
from smaragdine.figures.level import TITLE_HEIGHT, Box, arrange
from smaragdine.figures.scale import ENERGY, Scale
from smaragdine.figures.subject import Subject, diagram
from smaragdine.figures.sunburst import amount_told, hover

_RADIUS = 13.0


def distribution(
    subject: Subject | EDD, layer: str | None = None, phase: str | None = None, *, scale: Scale = ENERGY
) -> go.Figure:
    """The level inside `layer` (a path): each box with its share of the level, deeper colour for a larger share.

    By power, boxes tell watts, deeper for more. Without `layer`, the first level that has more than one box. Raises
    SmaragdineError where there is no such layer, and for powers that were modelled.
    """
    edd = diagram(subject, phase)
    scale.check(edd)
    box = edd.find(layer) if layer is not None else edd.entrance
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
        depth = _depth(child, box, scale)
        fill = theme.colour(depth)
        outline = {"color": theme.colour(min(1.0, depth + 0.35)), "width": 1.3}
        path = _rounded(child.x, child.y, child.width, child.height, _RADIUS if child.rounded else 0)
        shapes.append({"type": "path", "path": path, "fillcolor": fill, "line": outline})
        figure.add_annotation(
            x=child.x + child.width / 2,
            y=child.y + child.height / 2,
            text=f"{theme.safe(child.name)}<br><b>{_told(child, scale)}</b>",
            font={"size": 12, "color": theme.ink_on(fill)},
            showarrow=False,
        )
    figure.add_annotation(
        x=16, y=TITLE_HEIGHT / 2 + 6, xanchor="left", showarrow=False, font={"size": 13},
        text=f"<b>{theme.safe(theme.shorten(box.path or box.name, 60))}</b>",
    )  # fmt: skip
    if not level.boxes:
        inside = "a tensor: nothing inside" if box.is_tensor else "no energy in operations"
        figure.add_annotation(x=level.width / 2, y=level.height / 2 + 10, text=inside, showarrow=False)
    figure.add_scatter(
        x=[child.x + child.width / 2 for child in level.boxes],
        y=[child.y + child.height / 2 for child in level.boxes],
        mode="markers",
        marker={"size": 40, "opacity": 0},
        # Where a click leads on the interactive page.
        customdata=[child.edd.path if child.edd and child.rounded else None for child in level.boxes],
        hovertext=[_hover(child, edd, scale) for child in level.boxes],
        hovertemplate="%{hovertext}<extra></extra>",
        showlegend=False,
    )
    subtitle = _subtitle(box, scale)
    theme.dress(
        figure,
        "Power of operations" if scale.name == "power" else "Energy distribution",
        subtitle=subtitle,
        modelled=edd.modelled,
        notice=edd.notice,
        margin={"l": 10, "r": 10, "b": 10},
        shapes=shapes,
    )
    top = figure.layout.margin.t
    figure.update_layout(
        width=max(level.width + 20, 620 if edd.modelled else 380, 7 * len(subtitle) + 40),
        height=level.height + top + 10,
        xaxis={"visible": False, "range": [0, level.width], "constrain": "domain", "fixedrange": True},
        yaxis={"visible": False, "range": [level.height, 0], "scaleanchor": "x", "fixedrange": True},
    )
    return figure


def _subtitle(box: EDD, scale: Scale) -> str:
    mean = f"mean of {box.runs} runs" if box.runs > 1 else ""
    passes = f"{box.phase} pass" if box.phase else ""
    return ", ".join(words for words in (amount_told(box, scale), passes, mean) if words)


def _told(child: Box, scale: Scale) -> str:
    if scale.name == "power":
        return scale.text(child.edd) if child.edd else "–"
    return percent(child.share)


def _depth(child: Box, level: EDD, scale: Scale) -> float:
    """How deep a box is coloured, in 0…1."""
    if scale.name != "power":
        return child.share
    hottest = max((box.power_w or 0.0 for box in level.children), default=0.0)
    power_w = child.edd.power_w if child.edd else None
    return (power_w or 0.0) / hottest if hottest > 0 else 0.0


def _hover(box: Box, edd: EDD, scale: Scale) -> str:
    return hover(box.edd, edd.energy_j, scale) if box.edd else f"<b>{theme.safe(box.name)}</b><br>{percent(box.share)}"


def _rounded(x: float, y: float, width: float, height: float, radius: float) -> str:
    """A rectangle as an SVG path, its corners rounded by `radius`."""
    r, right, bottom = min(radius, height / 2), x + width, y + height
    if r <= 0:
        return f"M{x},{y}L{right},{y}L{right},{bottom}L{x},{bottom}Z"
    return (
        f"M{x + r},{y}L{right - r},{y}Q{right},{y} {right},{y + r}L{right},{bottom - r}Q{right},{bottom} "
        f"{right - r},{bottom}L{x + r},{bottom}Q{x},{bottom} {x},{bottom - r}L{x},{y + r}Q{x},{y} {x + r},{y}Z"
    )
