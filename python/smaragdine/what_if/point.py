"""What one epoch, one step or the run took."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from smaragdine.what_if import amounts

BY = ("epoch", "step", "run")
COMPONENTS = ("cpu", "gpu", "dram", "module")
BASES = ("measured", "modelled", "measured and modelled", "unknown")


@dataclass(frozen=True, slots=True)
class Point:
    """An epoch, a step or the run: kilowatt-hours by component, without PUE."""

    number: int
    kwh: Mapping[str, float]
    duration_s: float | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)

    @property
    def total_kwh(self) -> float:
        return amounts.total(self.kwh.values())
