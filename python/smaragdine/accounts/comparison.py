"""Two traces side by side: what each operation, layer or pass took in one and in the other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from smaragdine.accounts.display import Displayed
from smaragdine.accounts.footprint import Footprint, summary_of
from smaragdine.accounts.group import Group


@dataclass(frozen=True, slots=True)
class Difference:
    """A name and basis in both. Joules of a side that lacks the name are None: not 0, for it was not there."""

    name: str
    basis: str
    energy_a_j: float | None
    energy_b_j: float | None
    time_a_s: float | None
    time_b_s: float | None

    @property
    def energy_change_j(self) -> float:
        """B less A."""
        return (self.energy_b_j or 0.0) - (self.energy_a_j or 0.0)

    @property
    def energy_ratio(self) -> float | None:
        """B ÷ A; None where either is missing or A is 0."""
        return self.energy_b_j / self.energy_a_j if self.energy_a_j and self.energy_b_j is not None else None


@dataclass(frozen=True, slots=True, repr=False)
class Comparison(Displayed):
    """Differences, the largest change first, measured before modelled: joules of two bases are never compared."""

    differences: tuple[Difference, ...]
    by: str = "op"
    """What both were grouped by."""
    notice: str | None = None
    """What every view of it opens with; None where both rest on sensors."""

    @classmethod
    def of(cls, a: Footprint, b: Footprint, by: str) -> Comparison:
        """By `op`, `layer`, `type`, `phase` or `stef`; summaries fold both alike."""
        if by == "stef":
            summary = summary_of((a, b))
            a, b = a.folded(summary), b.folded(summary)
        key = "op" if by == "stef" else by
        sides = [{(group.name, group.basis): group for group in footprint.by(key)} for footprint in (a, b)]
        keys = dict.fromkeys(key for side in sides for key in side)
        differences = (_difference(*key, sides[0].get(key), sides[1].get(key)) for key in keys)
        ordered = sorted(differences, key=lambda d: (d.basis, -abs(d.energy_change_j), d.name))
        return cls(tuple(ordered), by, a.notice or b.notice)

    def __iter__(self) -> Iterator[Difference]:
        return iter(self.differences)

    def __len__(self) -> int:
        return len(self.differences)


def _difference(name: str, basis: str, a: Group | None, b: Group | None) -> Difference:
    return Difference(
        name,
        basis,
        energy_a_j=a.energy_j if a else None,
        energy_b_j=b.energy_j if b else None,
        time_a_s=a.time_s if a else None,
        time_b_s=b.time_s if b else None,
    )
