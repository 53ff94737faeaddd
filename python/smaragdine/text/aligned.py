"""Columns of text under each other, as wide as a terminal shows them."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence, Set

GAP = "  "


def columns(text: str) -> int:
    """How many columns of a terminal the text takes: East Asian letters two, combining marks none."""
    return sum(
        0 if unicodedata.combining(character) else 2 if unicodedata.east_asian_width(character) in "WF" else 1
        for character in text
    )


def widths(lines: Sequence[Sequence[str]]) -> list[int]:
    """Of each column, its widest cell."""
    return [max(map(columns, column)) for column in zip(*lines, strict=True)]


def aligned(cells: Sequence[str], widths: Sequence[int], right: Set[int]) -> list[str]:
    """Each cell padded to its width, on its left where its column is among `right`; a longer one loses its start."""
    return [_padded(cell, width, i in right) for i, (cell, width) in enumerate(zip(cells, widths, strict=True))]


def _padded(text: str, width: int, right: bool) -> str:
    cut = text
    if columns(text) > width:  # the end of a name tells more than its start
        while columns(cut) > width - 1:
            cut = cut[1:]
        cut = "…" + cut
    room = " " * (width - columns(cut))
    return room + cut if right else cut + room
