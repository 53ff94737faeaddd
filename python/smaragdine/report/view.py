"""One way to look at the program in the report: a sunburst, and the level that opens beside each slice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from smaragdine import figures
from smaragdine.accounts.edd import EDD
from smaragdine.accounts.quantity import joules, watts
from smaragdine.figures import theme
from smaragdine.figures.level import arrange
from smaragdine.figures.sunburst import by_power, left_out

# Levels that are drawn: those with the most energy, so that a program of any size makes a page of bounded size.
MOST_LEVELS = 400
MOST_SLICES = 40_000


@dataclass(frozen=True, slots=True)
class View:
    """`levels` maps a slice's id to its drawing; a slice without one says that it is too small to draw."""

    label: str
    caption: str
    """How much energy the picture shows."""
    sunburst: dict[str, Any]
    by_power: dict[str, Any] | None
    """Values and marker of the same sunburst by power; None where power was modelled."""
    levels: dict[str, dict[str, Any]]
    start: str
    """Id of the level shown first."""

    @classmethod
    def of(cls, edd: EDD, label: str) -> View:
        edd = thinned(edd, MOST_SLICES)
        place = {box: str(index) for index, box in enumerate(edd.walk())}
        drawing = theme.undressed(figures.sunburst(edd))
        drawing["layout"].pop("title", None)
        drawing["layout"]["margin"]["t"] = 12
        shown = set(drawing["data"][0]["ids"])
        layers = sorted((box for box in place if box.children and place[box] in shown), key=lambda box: -box.energy_j)
        mean = f", the mean of {edd.runs} runs" if edd.runs > 1 else ""
        return cls(
            label=label,
            caption=f"{joules(edd.energy_j)} in operations{mean}{left_out(edd)}.",
            sunburst=drawing,
            by_power=None if edd.modelled else by_power(edd),
            levels={place[box]: _drawing(box, place) for box in layers[:MOST_LEVELS]},
            start=place[edd.entrance],
        )


def _drawing(edd: EDD, place: dict[EDD, str]) -> dict[str, Any]:
    """A level as the page's script draws it: boxes and arrows in pixels, colours by share and by power."""
    level = arrange(edd)
    hottest_w = max((box.power_w or 0.0 for box in edd.children), default=0.0)
    boxes = []
    for box in level.boxes:
        drawn: dict[str, Any] = {
            "x": round(box.x, 1),
            "y": round(box.y, 1),
            "w": round(box.width, 1),
            "h": box.height,
            "name": box.name,
            "share": round(box.share, 5),
            **_paint(box.share),
            "round": box.rounded,
            "id": place[box.edd] if box.edd else None,
        }
        if not edd.modelled and box.edd:
            power_w = box.edd.power_w or 0.0
            drawn["power"] = {"told": watts(box.edd.power_w), **_paint(power_w / hottest_w if hottest_w > 0 else 0.0)}
        boxes.append(drawn)
    return {
        "w": round(level.width, 1),
        "h": round(level.height, 1),
        "boxes": boxes,
        "arrows": [[route.path(), route.head()] for route in level.routes],
    }


def _paint(depth: float) -> dict[str, str]:
    fill = theme.colour(depth)
    return {"fill": fill, "ink": theme.ink_on(fill), "edge": theme.colour(min(1.0, depth + 0.35))}


def thinned(edd: EDD, most: int) -> EDD:
    """The diagram without the insides of its smallest layers, once it has more than `most` boxes: sums stay."""
    boxes = list(edd.walk())
    left = len(boxes)
    # Backwards: of a layer and the only one inside, which have the same energy, the inner goes first.
    for box in sorted((box for box in boxes[:0:-1] if box.children), key=lambda box: box.energy_j):
        if left <= most:
            break
        left -= sum(1 for _ in box.walk()) - 1
        box.children, box.arrows, box.is_tensor = [], [], True
    return edd
