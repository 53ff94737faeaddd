"""Aligned, coloured tables on the terminal, plain ones elsewhere; the same rows as CSV and JSON."""

from __future__ import annotations

import csv
import json
import os
import shutil
import sys
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any, TextIO

from smaragdine.table import Table

_GAP = "  "
_SHORTEST = 12
_BAR = 12
_EIGHTHS = " ▏▎▍▌▋▊▉█"
_STYLES = {"bold": "1", "dim": "2", "green": "32", "yellow": "33"}


def coloured(out: TextIO | None = None) -> bool:
    """A terminal that shows colours, and a user who wants them."""
    out = out or sys.stdout
    return out.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def paint(text: str, style: str, out: TextIO | None = None) -> str:
    """The text in a style where the output shows colours."""
    return f"\033[{_STYLES[style]}m{text}\033[0m" if text and coloured(out) else text


def write_table(table: Table, *, out: TextIO | None = None) -> None:
    """Columns padded to their widest cell, numeric ones to the right.

    On a terminal each row has a bar of its share, and the first column gives way so that a row stays a line; piped,
    nothing is cut and nothing is drawn.
    """
    out = out or sys.stdout
    lines = [[printable(cell) for cell in line] for line in (table.headers, *table.rows)]
    widths = [max(map(columns, column)) for column in zip(*lines, strict=True)]
    bars = [""] * len(lines)
    if out.isatty():
        if table.bars:
            longest = max(table.bars) or 1.0
            bars = [" " * _BAR, *(bar(share / longest) for share in table.bars)]
            bars += [" " * _BAR] * (len(lines) - len(bars))
        beyond = sum(widths) + len(_GAP) * (len(widths) - 1) + len(bars[0] and _GAP + bars[0])
        beyond -= shutil.get_terminal_size().columns
        widths[0] = max(min(widths[0], _SHORTEST), widths[0] - max(0, beyond))
    for place, (line, drawn) in enumerate(zip(lines, bars, strict=True)):
        cells = [
            _padded(cell, width, i in table.numeric) for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        if drawn:
            cells.insert(1, paint(drawn, "green", out) if drawn.strip() else drawn)
        text = _GAP.join(cells).rstrip()
        print(paint(text, "bold", out) if place == 0 else text, file=out)


def bar(share: float) -> str:
    """A bar of fixed width, to an eighth of a character."""
    eighths = round(8 * _BAR * min(1.0, max(0.0, share)))
    full, rest = divmod(eighths, 8)
    return ("█" * full + (_EIGHTHS[rest] if rest else "")).ljust(_BAR)


def write_csv(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], comments: Sequence[str] = ()) -> None:
    """Numbers in full, in joules, seconds and watts; comments stand before the header, after `# `."""
    for comment in comments:
        print(f"# {comment}")
    writer = csv.DictWriter(sys.stdout, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)


def write_json(content: Mapping[str, Any]) -> None:
    json.dump(content, sys.stdout, indent=2, ensure_ascii=False)
    print()


def printable(text: str) -> str:
    """Without what would move the cursor or colour the screen: names come from programs that are not ours."""
    return "".join(
        "\ufffd" if unicodedata.category(character) in ("Cc", "Cf", "Zl", "Zp") else character for character in text
    )


def columns(text: str) -> int:
    """How many columns of a terminal the text takes: East Asian letters two, combining marks none."""
    return sum(
        0 if unicodedata.combining(character) else 2 if unicodedata.east_asian_width(character) in "WF" else 1
        for character in text
    )


def _padded(cell: str, width: int, right: bool) -> str:
    cut = cell
    if columns(cell) > width:  # the end of a name tells more than its start
        while columns(cut) > width - 1:
            cut = cut[1:]
        cut = "…" + cut
    room = " " * (width - columns(cut))
    return room + cut if right else cut + room
