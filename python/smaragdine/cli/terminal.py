"""What commands tell a person: the one way to the terminal."""

from __future__ import annotations

import os
import sys
from typing import TextIO

from smaragdine.errors import SmaragdineError
from smaragdine.shown import shown, shown_lines

_STYLES = {"bold": "1", "dim": "2", "green": "32", "yellow": "33"}


def coloured(out: TextIO | None = None) -> bool:
    """A terminal that shows colours, and a user who wants them."""
    out = out or sys.stdout
    return out.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def paint(text: str, style: str, out: TextIO | None = None) -> str:
    """The text in a style where the output shows colours."""
    return f"\033[{_STYLES[style]}m{text}\033[0m" if text and coloured(out) else text


def tell(text: object = "", style: str | None = None, *, out: TextIO | None = None) -> None:
    """One line, on standard output where `out` is not given; nothing in it moves the cursor or colours the screen."""
    line = shown(str(text))
    print(paint(line, style, out) if style else line, file=out)


def tell_error(error: SmaragdineError) -> None:
    """On standard error, with its hint where there is one."""
    print(f"error: {shown_lines(error.message)}", file=sys.stderr)  # noqa: T201  of several lines
    if error.hint:
        print(f"hint: {shown_lines(error.hint)}", file=sys.stderr)  # noqa: T201
