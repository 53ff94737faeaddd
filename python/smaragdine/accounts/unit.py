"""One unit for a column or an axis, so that its numbers compare at a glance: kWh or Wh or mWh, never a mixture."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from smaragdine.accounts.sample import Sample


@dataclass(frozen=True, slots=True)
class Unit:
    """`factor` of it make one of the unit in which values are held: 1000 Wh a kWh."""

    name: str
    factor: float

    @classmethod
    def of_kwh(cls, values: Iterable[float | None]) -> Unit:
        return _fitting(values, (("MWh", 1e-3), ("kWh", 1.0), ("Wh", 1e3), ("mWh", 1e6), ("µWh", 1e9)))

    @classmethod
    def of_kg(cls, values: Iterable[float | None]) -> Unit:
        return _fitting(values, (("t", 1e-3), ("kg", 1.0), ("g", 1e3), ("mg", 1e6), ("µg", 1e9)))

    @classmethod
    def of_hours(cls, values: Iterable[float | None]) -> Unit:
        return _fitting(values, (("h", 1.0), ("min", 60.0), ("s", 3600.0)))

    def text(self, value: float | Sample | None) -> str:
        """`12.34 ± 0.56`, without the unit, which the header tells; `–` where it is not known."""
        if isinstance(value, Sample):
            return value.text(self.factor)
        return Sample.of([value]).text(self.factor)

    def told(self, value: float | Sample | None) -> str:
        """With the unit."""
        text = self.text(value)
        return text if text == "–" else f"{text} {self.name}"


def _fitting(values: Iterable[float | None], units: tuple[tuple[str, float], ...]) -> Unit:
    """The largest unit in which the largest of the values is not below 1; the smallest where there is none."""
    most = max((abs(value) for value in values if value is not None), default=0.0)
    fitting = (Unit(name, factor) for name, factor in units if most * factor >= 0.9995)
    return next(fitting, Unit(*units[-1]) if most else Unit(*units[min(1, len(units) - 2)]))
