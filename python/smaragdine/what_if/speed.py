"""How many FP32 operations a second a processor does: cores × clock × operations per cycle."""

from __future__ import annotations

import re
from dataclasses import dataclass

from smaragdine.accounts.machine import Hardware
from smaragdine.what_if import amounts

# Two units of 256 bits that multiply and add, as servers have had since 2013; with 512 bits it is twice as many.
FP32_PER_CYCLE = 32.0
_CLOCK = re.compile(r"@\s*([0-9]+(?:\.[0-9]+)?)\s*GHz", re.I)


@dataclass(frozen=True, slots=True)
class Speed:
    """Of all cores of one processor together."""

    cores: float
    clock_hz: float
    fp32_per_cycle: float = FP32_PER_CYCLE

    @property
    def flops(self) -> float:
        """FP32 operations per second. Raises SmaragdineError for what no processor has."""
        return (
            amounts.positive(self.cores, "the number of cores", 1e5)
            * amounts.positive(self.clock_hz, "the clock", 1e11, " Hz")
            * amounts.positive(self.fp32_per_cycle, "the operations per cycle", 1e5)
        )

    def __str__(self) -> str:
        return f"{self.cores:g} cores × {self.clock_hz / 1e9:g} GHz × {self.fp32_per_cycle:g} FP32 per cycle"

    @classmethod
    def told_by(cls, hardware: Hardware) -> Speed | None:
        """Of one socket, as far as a trace tells: its logical processors as cores, the clock that the name ends with.

        None where either is unknown; two threads of a core then count twice, so it is to be looked at.
        """
        clock = _CLOCK.search(hardware.cpu or "")
        if clock is None or not hardware.logical_cpus:
            return None
        return cls(hardware.logical_cpus / max(1, hardware.sockets or 1), float(clock[1]) * 1e9)
