"""Energy on other hardware, by EnergyVis's formula: multiplied with (p_a / s_a) / (p / s), watts per unit of speed.

p and s are the power and the speed of all parts together, each as often as it is there, processors among them. So
it is assumed that all parts share the work by their speed, are equally well used before and after, and draw power in
proportion to what their data sheets say; what the job waits for, and how well it fits a part, is not in it. Twice as
many of all parts take the same energy in half the time.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from smaragdine.errors import UsageError
from smaragdine.what_if import amounts

ASSUMPTION = (
    "assumes that all parts share the work in proportion to their FP32 speed, are as well used as before, and draw "
    "power in proportion to their design power"
)
# Beyond this the parts have nothing in common by which one could tell the other's energy.
MOST_TIMES = 1000.0

Counted = tuple[float, float, float]
"""Quantity, power in watts of one, FP32 operations per second of one."""


@dataclass(frozen=True, slots=True)
class Ratio:
    """What energy and time are multiplied with; both are 1 where nothing changes."""

    energy: float
    time: float

    @classmethod
    def between(cls, old: Iterable[Counted], new: Iterable[Counted]) -> Ratio:
        """Raises UsageError for no parts, for amounts that no part has, and where the answer is out of all range."""
        old_w, old_flops = _summed(old, "the present hardware")
        new_w, new_flops = _summed(new, "the other hardware")
        ratio = cls((new_w / new_flops) / (old_w / old_flops), old_flops / new_flops)
        if not all(1 / MOST_TIMES <= factor <= MOST_TIMES for factor in (ratio.energy, ratio.time)):
            raise UsageError(
                f"the other hardware would take {ratio.energy:.3g} times the energy in {ratio.time:.3g} times the time",
                f"beyond a factor of {MOST_TIMES:g} a ratio of design figures tells nothing: check power and speed",
            )
        return ratio


def rescale(energy_kwh: float, old: Iterable[Counted], new: Iterable[Counted]) -> float:
    """Kilowatt-hours that a job of `energy_kwh` would take on other hardware.

    `old`, `new`: lists of (quantity, power_w, flops), watts and FP32 operations per second of one part. Raises
    SmaragdineError for anything that no job and no part can be, and where the answer is beyond a factor of 1000.
    After EnergyVis (Shaikh et al. 2021), section 2.1.1.
    """
    energy = amounts.positive(energy_kwh, "the energy", amounts.MOST_KWH, " kWh")
    return energy * Ratio.between(old, new).energy


def _summed(parts: Iterable[Counted], what: str) -> tuple[float, float]:
    powers, speeds = [], []
    for place, part in enumerate(parts, 1):
        try:
            quantity, power_w, flops = part
        except (TypeError, ValueError):
            raise UsageError(f"part {place} of {what} is {part!r}", "a part is (quantity, power_w, flops)") from None
        name = f"of part {place} of {what}"
        count = amounts.positive(quantity, f"the quantity {name}", amounts.MOST_QUANTITY)
        powers.append(count * amounts.positive(power_w, f"the power {name}", amounts.MOST_W, " W"))
        speeds.append(count * amounts.positive(flops, f"the speed {name}", amounts.MOST_FLOPS, " FLOP/s"))
    if not powers:
        raise UsageError(f"{what} has no parts", "name at least one (quantity, power_w, flops)")
    return amounts.total(powers), amounts.total(speeds)
