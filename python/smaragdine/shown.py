"""Text that is not ours (names, warnings, errors of a trace) where a person or a spreadsheet reads it.

It comes from programs, daemons and traces that somebody sent. What would move a cursor, colour a screen, write to its
clipboard or turn the direction of reading is shown as `\\x1b` or `\\u202e`, never sent.
"""

from __future__ import annotations

import json
import logging
import re
import unicodedata
from typing import Any

# Control and format characters (bidirectional overrides among them), lone surrogates, separators of lines.
_UNSEEN = ("Cc", "Cf", "Cs", "Zl", "Zp")
# What a message of ours goes on with: lists, which are indented, and where it is told in one, its hint.
_LIST = re.compile(r"\n(?=  )")
_LIST_OR_HINT = re.compile(r"\n(?=  |hint: )")
# A spreadsheet takes cells that begin so for formulas (OWASP, CSV injection); some take the wide forms as well.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def shown(text: str) -> str:
    """The text in one line, without anything that is not seen."""
    if text.isprintable():
        return text
    return "".join(_escaped(character) if _is_unseen(character) else character for character in text)


def shown_lines(text: str, *, hinted: bool = False) -> str:
    """A message of several lines; what it quotes makes no lines of its own but indented ones. `hinted`: and a hint."""
    return "\n".join(map(shown, (_LIST_OR_HINT if hinted else _LIST).split(text)))


def cell(value: object) -> object:
    """A value as a cell of CSV: text that a spreadsheet would execute begins with an apostrophe; numbers stay."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str):
        return value
    return "'" + shown(value) if value.startswith(_FORMULA) else shown(value)


def json_text(content: Any) -> str:
    """JSON that says exactly what `content` holds, and sends nothing that is not seen."""
    text = json.dumps(content, indent=2, ensure_ascii=False)
    if "\n" not in text and text.isprintable():
        return text
    unseen = {character for character in set(text) if character != "\n" and _is_unseen(character)}
    return text.translate({ord(character): json.dumps(character)[1:-1] for character in unseen})


class Shown(logging.Filter):
    """Of every record the message as it may be seen, whatever terminal or file a program's handlers lead to."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = shown_lines(record.getMessage(), hinted=True), ()
        return True


def _is_unseen(character: str) -> bool:
    return unicodedata.category(character) in _UNSEEN


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
