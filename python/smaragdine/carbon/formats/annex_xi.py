"""What Annex XI of the EU's AI Act asks of a general-purpose model's training: section 1, point 2 (d) and (e)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smaragdine.accounts.quantity import seconds
from smaragdine.carbon.facts import kwh, rows
from smaragdine.carbon.formats.markdown import escaped

if TYPE_CHECKING:
    from smaragdine.carbon.statement import Statement

_NOT_KNOWN = "not known"


def write(statement: Statement, anonymous: bool) -> str:
    """A table in Markdown. What was not measured says so: the annex allows estimates where they are told as such."""
    work = statement.work
    flops = (
        f"{work.flops:.2e} floating-point operations, of the operations whose number is known" if work.flops else None
    )
    energy = None
    if statement.energy_kwh is not None:
        kind = {"measured": "known (measured)", "told": "as told by the provider"}.get(
            statement.basis, f"estimated ({statement.basis})"
        )
        energy = f"{kwh(statement.energy_kwh, statement)}, {kind}, at a PUE of {statement.pue.factor:g}"
    fields = [
        ("1(2)(d)", "computational resources used for training", flops),
        ("1(2)(d)", "training time", seconds(work.duration_s) if work.duration_s is not None else None),
        ("1(2)(d)", "hardware", "; ".join(work.hardware) or None),
        ("1(2)(e)", "known or estimated energy consumption", energy),
    ]
    lines = ["## AI Act, Annex XI, section 1: energy and computation", ""]
    lines += [f"**{escaped(statement.notice)}**", ""] if statement.notice else []
    lines += ["| point | what | value |", "|---|---|---|"]
    lines += [f"| {point} | {what} | {escaped(value or _NOT_KNOWN)} |" for point, what, value in fields]
    lines += ["", "How it was determined:", ""]
    lines += [f"- {escaped(label.strip())}: {escaped(value)}" for label, value in rows(statement, anonymous=anonymous)]
    return "\n".join(lines) + "\n"
