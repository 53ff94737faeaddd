"""Everyday equivalents of emissions, after EnergyVis, table 1."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from smaragdine.carbon.table import packaged

# The table's tons: 1,984 lb, of the paper that it was taken from, are its 0.99.
KG_PER_SHORT_TON = 907.18474


@dataclass(frozen=True, slots=True)
class Equivalent:
    """So many of a thing emit as much."""

    name: str
    count: float
    source: str


def equivalents(kg: float) -> Iterator[Equivalent]:
    for row in packaged("equivalents"):
        yield Equivalent(row["name"], kg / (float(row["short_tons"]) * KG_PER_SHORT_TON), row["source"])
