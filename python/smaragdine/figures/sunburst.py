"""The sunburst: the whole program at a glance, opening a layer with a click."""

from __future__ import annotations

import plotly.graph_objects as go

from smaragdine.edd import EDD
from smaragdine.energy import MEASURED, MODELLED
from smaragdine.figures import theme
from smaragdine.quantity import joules, number, percent, seconds, watts

MOST_SLICES = 150
MOST_LINES = 3000


def sunburst(edd: EDD, *, title: str | None = None) -> go.Figure:
    """Three rings at a time (four of a small program), sized by energy, coloured by share of the parent.

    A slice's id is its place in `edd.walk()`. Hover shows joules, watts, share of the parent and of the whole, count
    and pass.
    """
    boxes = list(edd.walk())
    place = {box: str(index) for index, box in enumerate(boxes)}
    boxes.reverse()  # plotly goes round anticlockwise, people read clockwise
    parents = {child: place[box] for box in boxes for child in box.children}
    figure = go.Figure(
        go.Sunburst(
            ids=[place[box] for box in boxes],
            labels=[theme.safe(label(box)) for box in boxes],
            parents=[parents.get(box, "") for box in boxes],
            # Only tensors carry energy and plotly adds up: given sums would differ from its own in the last digit.
            values=[box.energy_j if box.is_tensor else 0 for box in boxes],
            branchvalues="remainder",
            maxdepth=depth(edd),
            rotation=90,
            sort=False,
            insidetextorientation="radial",
            textfont={"family": theme.FONT},
            marker={
                # The whole has no parent: it stays pale.
                "colors": [*(box.share for box in boxes[:-1]), 0.0],
                "colorscale": theme.PLOTLY_SCALE,
                "cmin": 0,
                "cmax": 1,
                # Thousands of slices would be hidden by the lines between them.
                "line": {"color": "#ffffff", "width": 1 if len(boxes) < MOST_LINES else 0.3},
                "colorbar": {
                    "title": {"text": "share of the parent", "side": "top", "font": {"size": 11}},
                    "orientation": "h",
                    "y": -0.01,
                    "yanchor": "top",
                    "tickformat": ".0%",
                    "tickvals": [0, 0.1, 0.25, 0.5, 1],
                    "thickness": 8,
                    "len": 0.45,
                    "outlinewidth": 0,
                },
                "showscale": True,
            },
            hovertext=[hover(box, edd.energy_j) for box in boxes],
            hovertemplate="%{hovertext}<extra></extra>",
            leaf={"opacity": 1},
        )
    )
    if not edd.energy_j > 0:
        figure.add_annotation(text="no energy in operations", showarrow=False, font={"size": 14})
    return theme.dress(
        figure,
        title or f"{edd.name}: {joules(edd.energy_j)} in operations{left_out(edd)}",
        modelled=edd.modelled,
        margin={"l": 8, "r": 8, "b": 56},
        uniformtext={"minsize": 9, "mode": "hide"},
        height=640,
    )


def left_out(edd: EDD) -> str:
    """What a diagram of one basis has to say of the other."""
    if not edd.left_out_j > 0:
        return ""
    other = MEASURED if edd.modelled else MODELLED
    return f" {edd.basis}; {joules(edd.left_out_j)} {other} are not in this picture"


def depth(edd: EDD) -> int:
    """Rings shown at a time: three, or four where that stays few slices: a small model shows its layers at once."""
    ring, slices = [edd], 1
    for _ in range(3):
        ring = [child for box in ring for child in box.children]
        slices += len(ring)
    return 4 if slices <= MOST_SLICES else 3


def label(box: EDD) -> str:
    """What stands in the slice; the whole program tells its joules."""
    if box.path == "":
        return f"{theme.shorten(box.name, 20)} · {joules(box.energy_j)}"
    return gradient(box)


def gradient(box: EDD) -> str:
    """The box's name, `∇` before a tensor of the backward pass: `MatMul` and its gradients may stand side by side."""
    return f"∇ {box.name}" if box.is_tensor and box.phase == "backward" else box.name


def hover(box: EDD, total_j: float) -> str:
    """What a pointer over the box tells, as plotly's HTML."""
    of_all = box.energy_j / total_j if total_j > 0 else 0.0
    passes = ", ".join(
        f"{phase} {percent(energy_j / box.energy_j)}" if len(box.phases) > 1 and box.energy_j > 0 else phase
        for phase, energy_j in sorted(box.phases.items(), key=lambda item: -item[1])
    )
    lines = [
        f"<b>{theme.safe(box.path or box.name)}</b>",
        f"{joules(box.energy_j)}" + (" (modelled)" if box.modelled else ""),
        f"{percent(box.share)} of its level, {percent(of_all)} of all operations",
        f"{watts(box.power_w)} over {seconds(box.time_s)}, {number(box.count)} executions",
        theme.safe(passes),
    ]
    return "<br>".join(line for line in lines if line)
