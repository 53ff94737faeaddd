"""For the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smaragdine.carbon.facts import rows, sentence
from smaragdine.shown import shown

if TYPE_CHECKING:
    from smaragdine.carbon.statement import Statement


def write(statement: Statement, anonymous: bool) -> str:
    told = rows(statement, anonymous=anonymous)
    width = max(len(label) for label, _ in told)
    lines = [shown(statement.notice), ""] if statement.notice else []
    lines += [shown(sentence(statement)), ""]
    lines += [f"{shown(label):<{width}}  {shown(value)}" for label, value in told]
    return "\n".join(lines) + "\n"
