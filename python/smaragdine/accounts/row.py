"""One row of a footprint: what an operation took on one device."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class FootprintRow:
    """Energy and time of one operation on one device. `op` is None where a summary folded several into one."""

    op: int | None
    qtn: str
    layer: str
    type: str
    phase: str
    device: str
    basis: str
    energy_j: float
    energy_low_j: float | None
    energy_high_j: float | None
    time_s: float
    """Sum of durations."""
    count: float
    """Executions; a fraction where the footprint is scaled to a step or a sample."""

    @property
    def power_w(self) -> float | None:
        """Energy ÷ time; None where there is no time."""
        return self.energy_j / self.time_s if self.time_s > 0 else None

    def scaled(self, energy: float, amount: float) -> FootprintRow:
        """Energy and its interval times `energy`; time and count times `amount`."""
        return replace(
            self,
            energy_j=self.energy_j * energy,
            energy_low_j=None if self.energy_low_j is None else self.energy_low_j * energy,
            energy_high_j=None if self.energy_high_j is None else self.energy_high_j * energy,
            time_s=self.time_s * amount,
            count=self.count * amount,
        )


def sum_known(values: Iterable[float | None]) -> float | None:
    """Sum of what is known of each, such as bounds, whose sum is the widest that an interval can be; None as soon as
    one is unknown."""
    total = 0.0
    for value in values:
        if value is None:
            return None
        total += value
    return total
