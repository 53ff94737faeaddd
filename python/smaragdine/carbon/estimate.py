"""A guess before the run: thermal design power × hours × utilisation (experiment-impact-tracker, appendix E).

It is a guess: it takes the most that parts are built to draw for what they do draw. The same appendix takes a third
of it, or all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from smaragdine.carbon.hardware import Hardware

# Amodei and Hernandez 2018, as the appendix takes it.
THIRD = 1 / 3
SOURCE = "thermal design power × hours × utilisation, after Henderson et al. 2020, appendix E"


@dataclass(frozen=True, slots=True)
class Estimate:
    """Kilowatt-hours, without PUE: at the utilisation told; without one at all and at a third of the design power."""

    hardware: tuple[Hardware, ...]
    hours: float
    utilisation: float | None = None

    @property
    def power_w(self) -> float:
        return sum(part.power_w for part in self.hardware)

    def kwh(self, utilisation: float) -> float:
        return self.power_w * self.hours * utilisation / 1000

    @property
    def high_kwh(self) -> float:
        return self.kwh(1.0 if self.utilisation is None else self.utilisation)

    @property
    def low_kwh(self) -> float:
        return self.kwh(THIRD if self.utilisation is None else self.utilisation)


@dataclass(frozen=True, slots=True)
class Comparison:
    """How far the guess lies from what was measured of the same kind of part."""

    kind: str
    hardware: tuple[Hardware, ...]
    guess_kwh: float
    measured_kwh: float

    @property
    def factor(self) -> float:
        return self.guess_kwh / self.measured_kwh


def compare(
    hardware: Sequence[Hardware], hours: float, measured_kwh: dict[str, float | None]
) -> tuple[Comparison, ...]:
    """For `cpu` and `gpu` where the parts are known and something was measured; the guess is at full utilisation."""
    comparisons = []
    for kind, kwh in measured_kwh.items():
        parts = tuple(part for part in hardware if part.kind == kind)
        if parts and kwh and kwh > 0:
            comparisons.append(Comparison(kind, parts, Estimate(parts, hours).high_kwh, kwh))
    return tuple(comparisons)
