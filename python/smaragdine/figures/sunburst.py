"""The sunburst: the whole program at a glance, opening a layer with a click."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import plotly.graph_objects as go

from smaragdine.accounts.edd import EDD
from smaragdine.accounts.energy import MEASURED, MODELLED
from smaragdine.accounts.quantity import joules, number, percent, seconds, watts
from smaragdine.accounts.spread import Spread
from smaragdine.figures import theme
from smaragdine.figures.scale import ENERGY, Scale
from smaragdine.figures.subject import Subject, diagram

# Four rings of so many slices are drawn within a second.
MOST_SLICES = 600
# So many of a layer's boxes have a slice of their own whatever their share; an optimizer runs thousands of operations.
MOST_THIN = 60
THIN = 0.001
"""A share of the level that cannot be seen."""
MOST_LINES = 3000
MOST_DRAWN = 5_000
"""Slices that the report gives plotly at once; of more, those that are seen at a time."""
LONGEST_LABEL = 40


def sunburst(
    subject: Subject | EDD,
    phase: str | None = None,
    *,
    scale: Scale = ENERGY,
    title: str | None = None,
    around: EDD | None = None,
) -> go.Figure:
    """Three rings at a time (four of a small program), sized by energy, coloured by share of the parent.

    Of a diagram, or of one pass or all of a trace, runs or a footprint. By power, slices are sized by time and coloured
    by watts, so that energy is size times colour. A slice's id is its place in `edd.walk()`; the smallest of very many
    tensors in one layer share a slice. Hover shows joules and their spread, watts, share of the parent and of the
    whole, count and pass. With `around`, a layer of the diagram, it opens there, and holds what is seen from there
    alone, and the way there: for a page that asks anew for what is opened next.
    """
    edd = diagram(subject, phase)
    scale.check(edd)
    start = around or edd.entrance
    every = _slices(edd, scale)
    opened = next(str(place) for place, box in enumerate(edd.walk()) if box is start)
    slices = _seen(every, opened, depth(start), scale) if around else every
    slices.reverse()  # plotly goes round anticlockwise, people read clockwise
    figure = go.Figure(
        go.Sunburst(
            ids=[one.id for one in slices],
            labels=[theme.safe(one.label) for one in slices],
            parents=[one.parent for one in slices],
            # Only tensors carry energy and plotly adds up: given sums would differ from its own in the last digit.
            values=[one.value for one in slices],
            branchvalues="remainder",
            level=opened,
            maxdepth=depth(start),
            rotation=90,
            sort=False,
            insidetextorientation="radial",
            textfont={"family": theme.FONT},
            marker={
                **_colours(slices, every, scale),
                # Thousands of slices would be hidden by the lines between them.
                "line": {"color": "#ffffff", "width": 1 if len(slices) < MOST_LINES else 0.3},
                "showscale": True,
            },
            hovertext=[one.words or hover(one.box, edd.energy_j, scale) for one in slices],
            hovertemplate="%{hovertext}<extra></extra>",
            leaf={"opacity": 1},
        )
    )
    if not edd.energy_j > 0:
        theme.say(figure, "no energy in operations")
    return theme.dress(
        figure,
        title or f"{theme.shorten(edd.name, 60)}: {amount_told(edd, scale)} in operations{left_out(edd)}",
        modelled=edd.modelled,
        notice=edd.notice,
        margin={"l": 8, "r": 8, "b": 56},
        uniformtext={"minsize": 9, "mode": "hide"},
        height=640,
    )


def _colours(slices: list[_Slice], every: list[_Slice], scale: Scale) -> dict[str, Any]:
    """Colours and their bar: shares of the parent on a scale of their own, watts on a plain one, the same wherever one
    looks."""
    power = scale.name == "power"
    # What hardly ran may have any power: it must not pale the rest.
    longest = sum(one.value for one in every)
    hottest = max((one.colour for one in every if not one.parent or one.value > THIN * longest), default=0.0)
    bar = {
        "title": {"text": "mean power in watts" if power else "share of the parent", "side": "top",
                  "font": {"size": 11}},
        "orientation": "h", "y": -0.01, "yanchor": "top", "thickness": 8, "len": 0.45, "outlinewidth": 0,
    }  # fmt: skip
    if power:
        return {
            "colors": [one.colour for one in slices], "colorscale": theme.PLAIN_SCALE, "cmin": 0,
            "cmax": hottest or 1, "colorbar": bar,
        }  # fmt: skip
    # Those of small shares stand close to each other: on a narrow screen one more would touch.
    bar |= {"tickformat": ".0%", "tickvals": [0, 0.25, 0.5, 1], "tickangle": 0}
    return {
        "colors": [one.colour for one in slices], "colorscale": theme.PLOTLY_SCALE, "cmin": 0, "cmax": 1,
        "colorbar": bar,
    }  # fmt: skip


@dataclass(frozen=True)
class _Slice:
    id: str
    parent: str
    label: str
    value: float
    colour: float
    box: EDD
    words: str = ""
    """Its hover text, where it is not that of the box."""


def _slices(edd: EDD, scale: Scale) -> list[_Slice]:
    """Parents before their children, those of one level in their order."""
    place = {box: str(index) for index, box in enumerate(edd.walk())}
    power = scale.name == "power"

    def slice_of(box: EDD, parent: str, share: float) -> _Slice:
        colour = (box.power_w or 0.0) if power else share
        value = scale.amount(box) if box.is_tensor else 0.0
        return _Slice(place[box], parent, label(box, scale), value, colour, box)

    slices = [slice_of(edd, "", 0.0)]  # the whole has no parent: it stays pale
    shown = [edd]
    for parent in shown:
        thin = _thin(parent)
        inside = [box for box in parent.children if box not in thin]
        shown += inside
        slices += [slice_of(box, place[parent], box.share) for box in inside]
        if thin:
            slices.append(_rest(thin, parent, place[parent], scale))
    return slices


def _seen(every: list[_Slice], opened: str, rings: int, scale: Scale) -> list[_Slice]:
    """Those within so many rings of the one that is opened, itself and the way there, in their order."""
    parent_of = {one.id: one.parent for one in every}
    way, outer = set(), opened
    while outer:
        way.add(outer)
        outer = parent_of[outer]
    seen, ring = set(way), {opened}
    for _ in range(rings - 1):
        ring = {one.id for one in every if one.parent in ring}
        seen |= ring
    kept = [one for one in every if one.id in seen]
    branches = {one.parent for one in kept}
    # What is inside of the outermost is not there to be added up.
    return [one if one.id in branches or one.value else replace(one, value=scale.amount(one.box)) for one in kept]


def _rest(thin: set[EDD], parent: EDD, id: str, scale: Scale) -> _Slice:
    """One slice for all that are too thin."""
    energy_j, time_s = math.fsum(box.energy_j for box in thin), math.fsum(box.time_s for box in thin)
    text = f"{len(thin)} more"
    largest = scale.written(max(box.energy_j for box in thin))
    words = f"<b>{text}</b><br>{scale.written(energy_j)}, the largest {largest}"
    if scale.name == "power":
        return _Slice(f"{id}+", id, text, time_s, energy_j / time_s if time_s > 0 else 0.0, parent, words)
    share = energy_j / parent.energy_j if parent.energy_j > 0 else 0.0
    return _Slice(f"{id}+", id, text, energy_j, share, parent, words)


def _thin(parent: EDD) -> set[EDD]:
    """What gets no slice of its own."""
    if len(parent.children) <= MOST_THIN + 1:
        return set()
    smallest = sorted(parent.children, key=lambda box: -box.energy_j)[MOST_THIN:]
    thin = {box for box in smallest if box.share < THIN}
    return thin if len(thin) > 1 else set()


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


def label(box: EDD, scale: Scale = ENERGY) -> str:
    """What stands in the slice; the whole program tells its joules."""
    if box.path == "":
        return f"{theme.shorten(box.name, 20)} · {amount_told(box, scale)}"
    return theme.shorten(gradient(box), LONGEST_LABEL)


def amount_told(box: EDD, scale: Scale) -> str:
    """The box's energy, and by power also its watts."""
    return f"{scale.written(box.energy_j)}, {scale.text(box)}" if scale.name == "power" else scale.text(box)


def gradient(box: EDD) -> str:
    """The box's name, `∇` before a tensor of the backward pass: `MatMul` and its gradients may stand side by side."""
    return f"∇ {box.name}" if box.is_tensor and box.phase == "backward" else box.name


def hover(box: EDD, total_j: float, scale: Scale = ENERGY) -> str:
    """What a pointer over the box tells, as plotly's HTML."""
    of_all = box.energy_j / total_j if total_j > 0 else 0.0
    passes = ", ".join(
        f"{phase} {percent(energy_j / box.energy_j)}" if len(box.phases) > 1 and box.energy_j > 0 else phase
        for phase, energy_j in sorted(box.phases.items(), key=lambda item: -item[1])
    )
    # Modelled power is the same whatever runs: its watts would tell nothing of this box.
    power = "" if box.modelled else f"{watts(box.power_w)} over "
    spread = Spread.of_energy(box, box.runs)
    lines = [
        f"<b>{theme.safe(theme.broken(box.path or box.name))}</b>".replace("\n", "<br>"),
        joules(box.energy_j) + (" (modelled)" if box.modelled else ""),
        f"{scale.written(box.energy_j)} at {number(scale.g_per_kwh)} g/kWh" if scale.name == "carbon" else "",
        spread.text(joules) if spread else "",
        f"{percent(box.share)} of its level, {percent(of_all)} of all operations",
        f"{power}{seconds(box.time_s)}, {number(box.count)} executions",
        theme.safe(passes),
    ]
    return "<br>".join(line for line in lines if line)
