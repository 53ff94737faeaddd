"""The program as a tree of layers in text."""

from __future__ import annotations

from smaragdine.accounts.edd import EDD
from smaragdine.accounts.energy import MEASURED
from smaragdine.accounts.quantity import joules, percent, watts
from smaragdine.text.table import Table

_LEAST = 0.002
"""Of all energy: what is less does not get a line of its own."""


def tree(edd: EDD, *, depth: int, top: int, guides: bool = False) -> Table:
    """So many levels of a diagram, most energy first; of a level so many boxes that matter, the rest as one line.

    With `guides` lines lead from a layer to what is inside; without, the tree is told by indentation alone.
    """
    total_j = edd.energy_j
    rows: list[tuple[str, ...]] = []
    bars: list[float] = []

    def line(name: str, energy_j: float, power_w: float | None) -> None:
        share = energy_j / total_j if total_j > 0 else 0.0
        rows.append((name, joules(energy_j), percent(share), watts(power_w) if edd.basis == MEASURED else "–"))
        bars.append(share)

    def branch(box: EDD, before: str, level: int) -> None:
        boxes = sorted(box.children, key=lambda child: -child.energy_j) if level < depth else []
        shown = [child for child in boxes[:top] if child.energy_j >= _LEAST * total_j]
        rest = boxes[len(shown) :] if shown else []
        for place, child in enumerate(shown):
            last = place == len(shown) - 1 and not rest
            turn, onward = ("└─ ", "   ") if last else ("├─ ", "│  ")
            if not guides:
                turn = onward = "  "
            line(before + turn + child.name, child.energy_j, child.power_w)
            branch(child, before + onward, level + 1)
        if rest:
            time_s = sum(child.time_s for child in rest)
            energy_j = sum(child.energy_j for child in rest)
            turn = "└─ " if guides else "  "
            line(f"{before}{turn}{len(rest)} more", energy_j, energy_j / time_s if time_s > 0 else None)

    line(edd.name, edd.energy_j, edd.power_w)
    branch(edd, "", 0)
    return Table(("layer", "energy", "share", "power"), tuple(rows), frozenset({1, 2, 3}), tuple(bars))
