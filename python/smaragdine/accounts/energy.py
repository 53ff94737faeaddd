"""An amount of energy that never mixes what a sensor measured with what a model computed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from smaragdine.accounts.quantity import joules

MEASURED = "measured"
MODELLED = "modelled"
BASES = (MEASURED, MODELLED)

MODELLED_NOTICE = (
    "no energy sensor was readable; power is modelled from CPU use, so shares follow time and watts per operation "
    "mean nothing; `smaragdine doctor` tells how to measure."
)


@dataclass(frozen=True, slots=True)
class Energy:
    """Joules by basis. Adding two adds each basis to its own: there is no sum over both."""

    measured_j: float = 0.0
    modelled_j: float = 0.0

    @classmethod
    def of(cls, basis: str, energy_j: float) -> Energy:
        return cls(measured_j=energy_j) if basis == MEASURED else cls(modelled_j=energy_j)

    @classmethod
    def total(cls, parts: Iterable[tuple[str, float]]) -> Energy:
        """Of (basis, joules) pairs."""
        totals = {MEASURED: 0.0, MODELLED: 0.0}
        for basis, energy_j in parts:
            totals[basis] += energy_j
        return cls(totals[MEASURED], totals[MODELLED])

    def __add__(self, other: Energy) -> Energy:
        return Energy(self.measured_j + other.measured_j, self.modelled_j + other.modelled_j)

    def __getitem__(self, basis: str) -> float:
        return self.measured_j if basis == MEASURED else self.modelled_j

    def __iter__(self) -> Iterator[tuple[str, float]]:
        """(basis, joules) of each basis that has any."""
        return ((basis, self[basis]) for basis in (MEASURED, MODELLED) if self[basis])

    def __bool__(self) -> bool:
        return bool(self.measured_j or self.modelled_j)

    def __str__(self) -> str:
        return " and ".join(f"{joules(energy_j)} {basis}" for basis, energy_j in self) or joules(0)
