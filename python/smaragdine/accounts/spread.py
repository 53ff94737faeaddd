"""How far a number may be off, and in which sense: every whisker and every ± says which."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

INTERVAL = "90 % interval"


class Spreading(Protocol):
    """Energy with what is known of its spread: a group of a footprint, a box of a diagram."""

    @property
    def energy_j(self) -> float: ...
    @property
    def energy_low_j(self) -> float | None: ...
    @property
    def energy_high_j(self) -> float | None: ...
    @property
    def energy_sd_j(self) -> float | None: ...


@dataclass(frozen=True, slots=True)
class Spread:
    """Bounds around a number, in its unit, and what they are."""

    low: float
    high: float
    meaning: str
    """`sd over 3 runs` or `90 % interval`."""

    @classmethod
    def of_energy(cls, of: Spreading, runs: int) -> Spread | None:
        """In joules: one standard deviation where there are several runs, else the interval; None where unknown.

        The interval of a sum is the sum of its parts' bounds, so it is never too narrow.
        """
        if runs > 1:
            sd = of.energy_sd_j
            return None if sd is None else cls(of.energy_j - sd, of.energy_j + sd, deviation(runs))
        if of.energy_low_j is None or of.energy_high_j is None:
            return None
        return cls(of.energy_low_j, of.energy_high_j, INTERVAL)

    def text(self, write: Callable[[float], str]) -> str:
        """`± 12.0 mJ (sd over 3 runs)`, `1.20 J to 1.40 J (90 % interval)`."""
        if self.meaning == INTERVAL:
            return f"{write(self.low)} to {write(self.high)} ({self.meaning})"
        return f"± {write((self.high - self.low) / 2)} ({self.meaning})"


def deviation(runs: int) -> str:
    """What the whiskers of so many runs are."""
    return f"sd over {runs} runs"
