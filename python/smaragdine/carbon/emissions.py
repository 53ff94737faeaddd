"""`Emissions`: what a run's energy emitted at a place, with intervals and sources."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from smaragdine.accounts.energy import MODELLED
from smaragdine.carbon.credit import Credit
from smaragdine.carbon.digits import MOST, grams
from smaragdine.carbon.place import Place
from smaragdine.carbon.series import Weighed

if TYPE_CHECKING:
    from smaragdine.carbon.run import Run

# Of the energy; what is missing to 1 is rounding.
_ALL = 1 - 1e-6


@dataclass(frozen=True, slots=True)
class Emissions:
    """Grams of CO2 equivalent of energy drawn at one place, PUE included.

    `low_g` and `high_g` are the energy's interval times the intensity's range. `low_g` is None where neither has one;
    `high_g` also where a gap's energy has no upper bound. They are bounds of what is known, not a confidence interval.
    """

    kwh: float
    """Without PUE, both bases."""
    modelled_kwh: float
    high_kwh: float | None
    place: Place
    weighed: Weighed | None = None
    """How the energy lies in the place's series; None without one."""

    @classmethod
    def of(cls, trace: Run, place: Place, policy: str = "equal") -> Emissions:
        """Of one trace. Where the place has a series, the energy of each reading meets the intensity of its time, and
        what the series does not cover the place's yearly one."""
        credit = Credit.of(trace, policy)
        return cls.of_credit(credit, place, [trace] if place.series else [])

    @classmethod
    def of_credit(cls, credit: Credit, place: Place, traces: Iterable[Run] = ()) -> Emissions:
        """Of energy that is known already; `traces` tell when it was drawn."""
        weighed = None
        if place.series is not None:
            times, energy = drawn(traces)
            weighed = place.series.weigh(times, energy)
        return cls(credit.kwh, credit.modelled_kwh, credit.high_kwh, place, weighed)

    @property
    def intensity_g_per_kwh(self) -> float:
        """What each kilowatt-hour emitted in the mean."""
        yearly = self.place.intensity.g_per_kwh
        if self.weighed is None or self.weighed.g_per_kwh is None:
            return yearly
        return self.weighed.share * self.weighed.g_per_kwh + (1 - self.weighed.share) * yearly

    @property
    def grams(self) -> float:
        return self.kwh * self.place.pue.factor * self.intensity_g_per_kwh

    @property
    def modelled_g(self) -> float:
        """How much of it is of modelled energy."""
        return self.modelled_kwh * self.place.pue.factor * self.intensity_g_per_kwh

    @property
    def timed(self) -> bool:
        """A series covers all of the energy, so that the yearly figure and its range are not used."""
        return self.weighed is not None and self.weighed.share > _ALL

    @property
    def range_g_per_kwh(self) -> tuple[float, float] | None:
        return None if self.timed else self.place.range_g_per_kwh

    @property
    def low_g(self) -> float | None:
        bounds = self._bounds()
        return bounds[0] if bounds else None

    @property
    def high_g(self) -> float | None:
        bounds = self._bounds()
        return bounds[1] if bounds else None

    def _bounds(self) -> tuple[float, float | None] | None:
        low = high = self.intensity_g_per_kwh
        if told := self.range_g_per_kwh:
            # The range is of the yearly figure; where a series covers a part, of the rest.
            rest = 1.0 if self.weighed is None else 1 - self.weighed.share
            yearly = self.place.intensity.g_per_kwh
            low, high = low - rest * (yearly - told[0]), high + rest * (told[1] - yearly)
        elif self.high_kwh == self.kwh:
            return None
        factor = self.place.pue.factor
        return self.kwh * factor * low, None if self.high_kwh is None else self.high_kwh * factor * high

    @property
    def digits(self) -> int:
        """Significant digits that intensity and PUE carry; no more than four."""
        told = self.place.series.digits if self.timed and self.place.series else self.place.intensity.digits
        return min(MOST, told, self.place.pue.digits)

    @property
    def basis(self) -> str:
        """`measured`, `modelled`, or both."""
        if not self.modelled_kwh:
            return "measured"
        return MODELLED if abs(self.modelled_kwh - self.kwh) <= 1e-12 * self.kwh else "measured and modelled"

    @property
    def origin(self) -> str:
        """Where the intensity comes from."""
        if self.weighed is None or self.place.series is None:
            return self.place.intensity.origin
        covered = f"{100 * self.weighed.share:.0f} % of the energy by {self.place.series.source}, by its time"
        return covered if self.timed else f"{covered}; the rest by the {self.place.intensity.origin}"

    def __str__(self) -> str:
        low, high = self.low_g, self.high_g
        between = ""
        if low is not None:
            upper = "unknown" if high is None else grams(high, self.digits)
            between = f" ({grams(low, self.digits)} to {upper})"
        modelled = "" if self.basis == "measured" else f", {self.basis}"
        return f"{grams(self.grams, self.digits)} CO2e{between}{modelled}; {self.place.name}, {self.origin}"


def drawn(traces: Iterable[Run]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """When the application drew how much: intervals (start, end) and joules of every reading of counted domains.

    A reading whose share is unknown counts with none: it is in the ledger's gap, and no run's.
    """
    times: list[NDArray[np.int64]] = [np.empty((0, 2), dtype=np.int64)]
    energy: list[NDArray[np.float64]] = [np.empty(0)]
    for trace in traces:
        for domain in trace.metadata.counted:
            if (readings := trace.readings.get(domain.name)) is not None:
                times.append(np.column_stack([readings.start_ns, readings.end_ns]))
                energy.append(np.nan_to_num(readings.energy_j * readings.app_share))
    return np.concatenate(times), np.concatenate(energy)
