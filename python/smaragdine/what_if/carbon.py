"""Grams of CO2 equivalent of an amount of energy."""

from __future__ import annotations

from smaragdine.what_if import amounts

G_PER_LB = 453.59237


def emissions(energy_kwh: float, intensity_g_per_kwh: float, pue: float = 1.0) -> float:
    """Grams: kilowatt-hours of the computers × PUE × grams per kilowatt-hour.

    Raises SmaragdineError for energy that is none, a PUE below 1 or above 10, and an intensity that no electricity has.
    """
    energy = amounts.positive(energy_kwh, "the energy", amounts.MOST_KWH, " kWh")
    return energy * amounts.pue(pue) * amounts.intensity(intensity_g_per_kwh)
