"""For a README, an issue or a wiki."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from smaragdine.carbon.facts import rows, sentence
from smaragdine.shown import shown

if TYPE_CHECKING:
    from smaragdine.carbon.statement import Statement

_SPECIAL = re.compile(r"([\\`*_\[\]<>|~#$])")


def write(statement: Statement, anonymous: bool) -> str:
    lines = ["## Carbon impact statement", ""]
    lines += [f"**{escaped(statement.notice)}**", ""] if statement.notice else []
    lines += [escaped(sentence(statement)), "", "| | |", "|---|---|"]
    lines += [
        f"| {escaped(label.strip())} | {escaped(value)} |" for label, value in rows(statement, anonymous=anonymous)
    ]
    return "\n".join(lines) + "\n"


def escaped(text: str) -> str:
    """Text that Markdown shows as it is."""
    return _SPECIAL.sub(r"\\\1", shown(text))
