"""Aligned, coloured tables on the terminal, plain ones elsewhere; the same rows as CSV and JSON."""

from __future__ import annotations

import csv
import shutil
import sys
from collections.abc import Mapping, Sequence
from typing import Any, TextIO

from smaragdine.cli.terminal import paint, tell
from smaragdine.shown import cell, json_text
from smaragdine.text.aligned import GAP, aligned, widths
from smaragdine.text.table import Table

_SHORTEST = 12
_BAR = 12
_EIGHTHS = " ▏▎▍▌▋▊▉█"


def write_table(table: Table, *, out: TextIO | None = None) -> None:
    """Columns padded to their widest cell, numeric ones to the right.

    On a terminal each row has a bar of its share, and the first column gives way so that a row stays a line; piped,
    nothing is cut and nothing is drawn.
    """
    out = out or sys.stdout
    lines = table.lines()
    room = widths(lines)
    bars = [""] * len(lines)
    if out.isatty():
        if table.bars:
            longest = max(table.bars) or 1.0
            bars = [" " * _BAR, *(bar(share / longest) for share in table.bars)]
            bars += [" " * _BAR] * (len(lines) - len(bars))
        beyond = sum(room) + len(GAP) * (len(room) - 1) + len(bars[0] and GAP + bars[0])
        beyond -= shutil.get_terminal_size().columns
        room[0] = max(min(room[0], _SHORTEST), room[0] - max(0, beyond))
    for place, (line, drawn) in enumerate(zip(lines, bars, strict=True)):
        cells = aligned(line, room, table.numeric)
        if drawn:
            cells.insert(1, paint(drawn, "green", out) if drawn.strip() else drawn)
        text = GAP.join(cells).rstrip()
        out.write((paint(text, "bold", out) if place == 0 else text) + "\n")


def bar(share: float) -> str:
    """A bar of fixed width, to an eighth of a character."""
    eighths = round(8 * _BAR * min(1.0, max(0.0, share)))
    full, rest = divmod(eighths, 8)
    return ("█" * full + (_EIGHTHS[rest] if rest else "")).ljust(_BAR)


def write_csv(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], comments: Sequence[str] = ()) -> None:
    """Numbers in full, in joules, seconds and watts; comments stand before the header, after `# `; text as `cell`s."""
    for comment in comments:
        tell(f"# {comment}")
    writer = csv.DictWriter(sys.stdout, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows({column: cell(value) for column, value in row.items()} for row in rows)


def write_json(content: Mapping[str, Any]) -> None:
    sys.stdout.write(json_text(content) + "\n")
