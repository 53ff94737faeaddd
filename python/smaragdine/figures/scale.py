"""In what a diagram's boxes are told: energy, power, or what the energy emitted."""

from __future__ import annotations

from dataclasses import dataclass

from smaragdine.accounts.edd import EDD
from smaragdine.accounts.quantity import joules, si, watts
from smaragdine.errors import UsageError

J_PER_KWH = 3.6e6


@dataclass(frozen=True, slots=True)
class Scale:
    """`energy`; `power`: sized by time and coloured by watts; `carbon`: energy times an intensity."""

    name: str
    g_per_kwh: float = 0.0
    """Of `carbon`: grams of CO2 equivalent that a kilowatt-hour emitted."""

    @classmethod
    def carbon(cls, g_per_kwh: float) -> Scale:
        if not g_per_kwh >= 0:
            raise UsageError(f"the carbon intensity is {g_per_kwh} g/kWh", "give grams per kWh")
        return cls("carbon", g_per_kwh)

    def check(self, edd: EDD) -> None:
        """Raises SmaragdineError where the diagram has no such numbers."""
        if self.name == "power" and edd.modelled:
            raise UsageError(
                "power was modelled, so watts per operation mean nothing",
                "draw energy; `smaragdine doctor` tells how to measure",
            )

    def amount(self, box: EDD) -> float:
        """What a box's size stands for: seconds for power, for energy × time = area, else joules."""
        return box.time_s if self.name == "power" else box.energy_j

    def text(self, box: EDD) -> str:
        """`12.3 J`, `84.0 W`, `1.37 mg CO₂e`."""
        return watts(box.power_w) if self.name == "power" else self.written(box.energy_j)

    def written(self, energy_j: float) -> str:
        return si(energy_j * self.g_per_kwh / J_PER_KWH, "g CO₂e") if self.name == "carbon" else joules(energy_j)


ENERGY = Scale("energy")
POWER = Scale("power")
