"""The sunburst: the whole program at a glance, opening a layer with a click."""

from __future__ import annotations

import math
from dataclasses import dataclass

import plotly.graph_objects as go

from smaragdine.edd import EDD
from smaragdine.energy import MEASURED, MODELLED
from smaragdine.figures import theme
from smaragdine.quantity import joules, number, percent, seconds, watts

# Four rings of so many slices are drawn within a second.
MOST_SLICES = 800
# Of a layer's tensors, so many have a slice of their own; an optimizer runs thousands, each too thin to be seen.
MOST_TENSORS = 60
MOST_LINES = 3000


def sunburst(edd: EDD, *, title: str | None = None) -> go.Figure:
    """Three rings at a time (four of a small program), sized by energy, coloured by share of the parent.

    A slice's id is its place in `edd.walk()`; the smallest of very many tensors in one layer share a slice. Hover shows
    joules, watts, share of the parent and of the whole, count and pass.
    """
    slices = _slices(edd)
    slices.reverse()  # plotly goes round anticlockwise, people read clockwise
    figure = go.Figure(
        go.Sunburst(
            ids=[one.id for one in slices],
            labels=[theme.safe(one.label) for one in slices],
            parents=[one.parent for one in slices],
            # Only tensors carry energy and plotly adds up: given sums would differ from its own in the last digit.
            values=[one.value for one in slices],
            branchvalues="remainder",
            maxdepth=depth(edd),
            rotation=90,
            sort=False,
            insidetextorientation="radial",
            textfont={"family": theme.FONT},
            marker={
                "colors": [one.share for one in slices],
                "colorscale": theme.PLOTLY_SCALE,
                "cmin": 0,
                "cmax": 1,
                # Thousands of slices would be hidden by the lines between them.
                "line": {"color": "#ffffff", "width": 1 if len(slices) < MOST_LINES else 0.3},
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
            hovertext=[one.hover for one in slices],
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


@dataclass(frozen=True)
class _Slice:
    id: str
    parent: str
    label: str
    value: float
    share: float
    hover: str


def _slices(edd: EDD) -> list[_Slice]:
    """Parents before their children, in the order of `edd.walk()`."""
    place = {box: str(index) for index, box in enumerate(edd.walk())}
    # The whole has no parent: it stays pale.
    slices = [_Slice(place[edd], "", label(edd), 0.0, 0.0, hover(edd, edd.energy_j))]
    for parent in place:
        thin = _thin(parent)
        for box in parent.children:
            if box not in thin:
                value = box.energy_j if box.is_tensor else 0.0
                told = hover(box, edd.energy_j)
                slices.append(_Slice(place[box], place[parent], label(box), value, box.share, told))
        if thin:
            energy_j = math.fsum(box.energy_j for box in thin)
            text = f"{len(thin)} more"
            told = f"<b>{text} tensors</b><br>{joules(energy_j)}, the largest {joules(max(b.energy_j for b in thin))}"
            share = energy_j / parent.energy_j if parent.energy_j > 0 else 0.0
            slices.append(_Slice(f"{place[parent]}+", place[parent], text, energy_j, share, told))
    return slices


def _thin(parent: EDD) -> set[EDD]:
    """The tensors of a layer that get no slice of their own."""
    tensors = sorted((box for box in parent.children if box.is_tensor), key=lambda box: -box.energy_j)
    return set(tensors[MOST_TENSORS:]) if len(tensors) > MOST_TENSORS + 1 else set()


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
        ring = [child for box in ring for child in set(box.children) - _thin(box)]
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
    # Modelled power is the same whatever runs: its watts would tell nothing of this box.
    power = "" if box.modelled else f"{watts(box.power_w)} over "
    lines = [
        f"<b>{theme.safe(box.path or box.name)}</b>",
        f"{joules(box.energy_j)}" + (" (modelled)" if box.modelled else ""),
        f"{percent(box.share)} of its level, {percent(of_all)} of all operations",
        f"{power}{seconds(box.time_s)}, {number(box.count)} executions",
        theme.safe(passes),
    ]
    return "<br>".join(line for line in lines if line)
