"""A number that a bench hands over, as `smaragdine-core/benches/numbers` writes it, one JSON object a line."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Number:
    """Its name is unique within its bench; `value` is `None` where it could not be measured."""

    name: str
    value: float | None
    unit: str
    at_least: float | None = None
    at_most: float | None = None
    # Names of others of the same bench and unit.
    compared_to: tuple[str, ...] = ()

    @classmethod
    def parse(cls, told: dict[str, Any]) -> Number:
        fields = {name: told[name] for name in ("name", "value", "unit", "at_least", "at_most") if name in told}
        return cls(**fields, compared_to=tuple(told.get("compared_to", ())))

    def json(self) -> dict[str, Any]:
        """Without what it does not have, but for the value."""
        return {name: value for name, value in asdict(self).items() if name == "value" or value not in (None, ())}

    @property
    def met(self) -> bool | None:
        """`None` where there is no goal, or no value."""
        if self.value is None or (self.at_least is None and self.at_most is None):
            return None
        return (self.at_least is None or self.value >= self.at_least) and (
            self.at_most is None or self.value <= self.at_most
        )


def handed_over(file: Path, bench: str) -> list[Number]:
    """What a bench left in `file`; raises `ValueError` where that is another's, or a name comes twice."""
    if not file.is_file():
        return []
    told = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    if others := {row["bench"] for row in told} - {bench}:
        raise ValueError(f"{bench} handed over numbers of {', '.join(sorted(others))}")
    numbers = [Number.parse(row) for row in told]
    names = [number.name for number in numbers]
    if twice := {name for name in names if names.count(name) > 1}:
        raise ValueError(f"{bench} handed over more than one number as {', '.join(sorted(twice))}")
    return numbers
