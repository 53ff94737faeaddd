"""One level of an EDD laid out: boxes and arrows in pixels, for whoever draws them. Pure geometry.

Arrows bend only between ranks and run straight through the lanes kept free for them, so none ever crosses a box, and
the title stands above the first rank where no arrow comes.
"""

from __future__ import annotations

from dataclasses import dataclass

from smaragdine.accounts.edd import EDD
from smaragdine.figures import theme
from smaragdine.figures.layering import Layering, layer
from smaragdine.figures.sunburst import gradient

BOX_HEIGHT = 46.0
RANK_GAP = 34.0
BOX_GAP = 22.0
MARGIN = 22.0
TITLE_HEIGHT = 34.0
MOST_BESIDE = 5
MOST_BOXES = 40
LONGEST_NAME = 24
HEAD = 7.0
"""Length of an arrow's head."""


@dataclass(frozen=True, slots=True)
class Box:
    """A child of the level; `edd` is None for the box that stands for the many smallest."""

    x: float
    y: float
    width: float
    height: float
    name: str
    share: float
    edd: EDD | None

    @property
    def rounded(self) -> bool:
        """Composite layers are round-edged, tensors sharp."""
        return self.edd is None or not self.edd.is_tensor


@dataclass(frozen=True, slots=True)
class Route:
    """An arrow: where it starts, then segments, each straight down a lane or bending between two ranks."""

    points: tuple[tuple[float, float], ...]

    def path(self) -> str:
        """The line as an SVG path; it ends at the foot of the head."""
        (x, y), *rest = self.points
        parts = [f"M{x:.1f},{y:.1f}"]
        for i, (to_x, to_y) in enumerate(rest):
            if i == len(rest) - 1:
                to_y -= HEAD if to_y > y else -HEAD
            bend = (y + to_y) / 2
            straight = abs(to_x - x) < 0.05
            parts.append(
                f"L{to_x:.1f},{to_y:.1f}"
                if straight
                else f"C{x:.1f},{bend:.1f} {to_x:.1f},{bend:.1f} {to_x:.1f},{to_y:.1f}"
            )
            x, y = to_x, to_y
        return "".join(parts)

    def head(self) -> str:
        """The head as a closed SVG path."""
        (_, before), (x, y) = self.points[-2:]
        back = y - HEAD if y > before else y + HEAD
        return f"M{x:.1f},{y:.1f}L{x - HEAD / 2:.1f},{back:.1f}L{x + HEAD / 2:.1f},{back:.1f}Z"


@dataclass(frozen=True, slots=True)
class Level:
    """The level drawn from (0, 0) at the top left, y downwards."""

    edd: EDD
    width: float
    height: float
    boxes: tuple[Box, ...]
    routes: tuple[Route, ...]


def arrange(edd: EDD, most_boxes: int = MOST_BOXES) -> Level:
    """Lays out the children of one box. Beyond `most_boxes` the smallest share one box."""
    shown = edd.children
    others: list[EDD] = []
    if len(shown) > most_boxes:
        by_energy = sorted(shown, key=lambda child: -child.energy_j)
        others = by_energy[most_boxes - 1 :]
        kept = set(by_energy[: most_boxes - 1])
        shown = [child for child in shown if child in kept]
    place = {child: index for index, child in enumerate(shown)}
    arrows = [(place[a.source], place[a.target]) for a in edd.arrows if a.source in place and a.target in place]
    flowing = sorted({node for arrow in arrows for node in arrow})
    widths = [_width(gradient(child)) for child in shown]

    local = {node: index for index, node in enumerate(flowing)}
    layering = layer(
        len(flowing),
        [(local[source], local[target]) for source, target in arrows],
        [widths[node] for node in flowing],
        most=MOST_BESIDE,
        gap=BOX_GAP,
    )
    loose = [child for index, child in enumerate(shown) if index not in local]
    loose.sort(key=lambda child: (child.is_tensor, -child.energy_j if child.is_tensor else 0))
    rows = _rows(loose, others)
    extent = [
        (centre - (widths[flowing[node]] / 2 if node < len(flowing) else 4), centre
         + (widths[flowing[node]] / 2 if node < len(flowing) else 4))
        for node, centre in layering.centres.items()
    ]  # fmt: skip
    left = min((low for low, _ in extent), default=0.0)
    flow_width = max((high for _, high in extent), default=0.0) - left
    row_widths = [sum(width for *_, width in row) + BOX_GAP * (len(row) - 1) for row in rows]
    inner = max([flow_width, *row_widths, _width(edd.path or edd.name, 60)])
    width = inner + 2 * MARGIN
    shift = MARGIN + (inner - flow_width) / 2 - left

    top = TITLE_HEIGHT + MARGIN / 2
    boxes: list[Box] = []
    for rank, nodes in enumerate(layering.ranks):
        for node in nodes:
            if node < len(flowing):
                child, wide = shown[flowing[node]], widths[flowing[node]]
                x = layering.centres[node] + shift - wide / 2
                boxes.append(_box(child, x, top + rank * (BOX_HEIGHT + RANK_GAP), wide))
    routes = _routes(layering, boxes, len(flowing), shift, top)
    below = top + len(layering.ranks) * (BOX_HEIGHT + RANK_GAP)
    for row, row_width in zip(rows, row_widths, strict=True):
        x = MARGIN + (inner - row_width) / 2
        for child_or_name, share, wide in row:
            if isinstance(child_or_name, EDD):
                boxes.append(_box(child_or_name, x, below, wide))
            else:
                boxes.append(Box(x, below, wide, BOX_HEIGHT, child_or_name, share, None))
            x += wide + BOX_GAP
        below += BOX_HEIGHT + BOX_GAP
    height = below - (BOX_GAP if rows else RANK_GAP) + MARGIN
    return Level(edd, width, max(height, TITLE_HEIGHT + 2 * MARGIN), tuple(boxes), tuple(routes))


def _box(child: EDD, x: float, y: float, width: float) -> Box:
    return Box(x, y, width, BOX_HEIGHT, theme.shorten(gradient(child), LONGEST_NAME), child.share, child)


def _width(name: str, longest: int = LONGEST_NAME) -> float:
    """Room for the name in 12 px letters, whose mean width is about 7 px."""
    return max(92.0, 7.0 * min(len(name), longest) + 24)


def _rows(loose: list[EDD], others: list[EDD]) -> list[list[tuple[EDD | str, float, float]]]:
    """Boxes that no arrow touches, in rows."""
    items: list[tuple[EDD | str, float, float]] = [(child, child.share, _width(gradient(child))) for child in loose]
    if others:
        name = f"{len(others)} smaller"
        items.append((name, sum(child.share for child in others), _width(name)))
    beside = min(MOST_BESIDE, max(3, -(-len(items) // 2)))
    return [items[i : i + beside] for i in range(0, len(items), beside)]


def _routes(layering: Layering, boxes: list[Box], count: int, shift: float, top: float) -> list[Route]:
    """Arrows from box to box; where several leave or enter a box, they do so side by side."""
    rank_of = {node: rank for rank, nodes in enumerate(layering.ranks) for node in nodes}
    box_of = dict(zip((n for nodes in layering.ranks for n in nodes if n < count), boxes, strict=True))
    # Arrows at each edge of each box (True: below), by where they come from or go to.
    ports: dict[tuple[int, bool], set[int]] = {}
    for chain in layering.chains.values():
        downward = rank_of[chain[0]] < rank_of[chain[-1]]
        ports.setdefault((chain[0], downward), set()).add(chain[1])
        ports.setdefault((chain[-1], not downward), set()).add(chain[-2])

    def port(node: int, below: bool, other: int) -> float:
        near = sorted(ports[node, below], key=lambda n: (layering.centres[n], n))
        spread = min(18.0, 0.6 * box_of[node].width / max(1, len(near) - 1))
        return layering.centres[node] + shift + spread * (near.index(other) - (len(near) - 1) / 2)

    routes = []
    for chain in layering.chains.values():
        downward = rank_of[chain[0]] < rank_of[chain[-1]]
        near, far = (BOX_HEIGHT, 0.0) if downward else (0.0, BOX_HEIGHT)

        def y(node: int, edge: float) -> float:
            return top + rank_of[node] * (BOX_HEIGHT + RANK_GAP) + edge

        points = [(port(chain[0], downward, chain[1]), y(chain[0], near))]
        for node in chain[1:-1]:
            x = layering.centres[node] + shift
            points += [(x, y(node, far)), (x, y(node, near))]
        points.append((port(chain[-1], not downward, chain[-2]), y(chain[-1], far)))
        routes.append(Route(tuple(points)))
    return routes
