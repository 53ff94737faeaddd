"""Aligned tables on the terminal, and the same rows as CSV and JSON."""

from __future__ import annotations

import csv
import json
import shutil
import sys
from collections.abc import Collection, Mapping, Sequence
from typing import Any, TextIO

FORMATS = ("table", "csv", "json")

_GAP = "  "
_SHORTEST = 12


def write_table(
    headers: Sequence[str], rows: Sequence[Sequence[str]], *, numeric: Collection[int], out: TextIO | None = None
) -> None:
    """Columns padded to their widest cell, numeric ones to the right.

    Where the output is a terminal, the first column gives way so that a row stays a line; piped, nothing is cut.
    """
    out = out or sys.stdout
    lines = [list(headers), *map(list, rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(headers))]
    if out.isatty():
        beyond = sum(widths) + len(_GAP) * (len(widths) - 1) - shutil.get_terminal_size().columns
        widths[0] = max(min(widths[0], _SHORTEST), widths[0] - max(0, beyond))
    for line in lines:
        cells = (
            _cut(cell, width).rjust(width) if i in numeric else _cut(cell, width).ljust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        print(_GAP.join(cells).rstrip(), file=out)


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


def _cut(cell: str, width: int) -> str:
    return cell if len(cell) <= width else "…" + cell[len(cell) - width + 1 :]
