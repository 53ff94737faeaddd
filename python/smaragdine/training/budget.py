"""`budget="2 kWh"`: warns when a run has drawn most of it and all of it, and tells whoever asked that it is to stop."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from smaragdine.accounts.energy import MEASURED, MODELLED
from smaragdine.accounts.quantity import joules, percent
from smaragdine.errors import BudgetReached, UsageError
from smaragdine.recording.spent import Spent

if TYPE_CHECKING:
    from smaragdine.carbon.place import Place
    from smaragdine.carbon.pue import Pue
    from smaragdine.recording.recorder import Recorder

_LOG = logging.getLogger("smaragdine")
_J = {"J": 1.0, "kJ": 1e3, "MJ": 1e6, "GJ": 1e9, "Wh": 3.6e3, "kWh": 3.6e6, "MWh": 3.6e9}
_G = {"mg": 1e-3, "g": 1.0, "kg": 1e3, "t": 1e6}
_J_PER_KWH = 3.6e6
# When it is warned of for the first time.
_MOST = 0.8
_HINT = "write 2 kWh, 500 Wh, 3 MJ or 1500 J; or 100 g or 2 kg of CO2e, where the place is told"


class Budget:
    """So much energy, or so many grams of CO2 equivalent, and whether a run is to stop there."""

    def __init__(self, text: str, labels: Mapping[str, str] | None = None, *, stops: bool = False) -> None:
        """The place is that of the labels `region` and `pue`, or of SMARAGDINE_REGION.

        Raises `UsageError` for what is no budget, and for grams where nobody tells a place.
        """
        match = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]+)?(?:e[+-]?[0-9]+)?)\s*([A-Za-z]+)\s*", str(text))
        unit = match[2] if match else ""
        scale = _J.get(unit) or _G.get(unit)
        if match is None or scale is None:
            raise UsageError(f"{text!r} is no budget", _HINT)
        amount = float(match[1]) * scale
        if not 0 < amount < 1e18:
            raise UsageError(f"a budget of {text} is not useful", _HINT)
        self.text = " ".join(str(text).split())
        self.stops = stops
        self._limit = amount
        self._grams = unit in _G
        self.place, self.pue = _told(labels or {})
        if self._grams and self.place is None:
            raise UsageError(
                f"a budget of {self.text} needs to know where the electricity comes from",
                "tell it with labels={'region': 'SWE'} or SMARAGDINE_REGION; `smaragdine regions` lists places",
            )

    def used(self, energy_j: float) -> float:
        """Which fraction of it so much energy of the computers is, the place's PUE included."""
        drawn_j = energy_j * self.pue.factor
        if self._grams and self.place is not None:
            return drawn_j / _J_PER_KWH * self.place.intensity.g_per_kwh / self._limit
        return drawn_j / self._limit

    def at(self, place: Place | None, pue: Pue | None) -> None:
        """The place is told now."""
        self.place = place or self.place
        self.pue = pue or self.pue


class Allowance:
    """A budget while one recording draws on it. What nobody can tell whose it is counts as the application's."""

    def __init__(self, budget: Budget, recorder: Recorder) -> None:
        self.budget = budget
        self._recorder = recorder
        self._used = 0.0
        # At which fractions it is still to be told of.
        self._marks = [_MOST, 1.0]
        self._stopped = False
        if recorder.state == "recording":
            recorder.meter.tell(self._spent, self._lost)
        else:
            _LOG.warning("nothing is recorded, so the budget of %s is not watched", budget.text)

    @property
    def reached(self) -> bool:
        """All of it is drawn. Costs nothing: asked at every step."""
        return self._used >= 1

    @property
    def stops(self) -> bool:
        """It is reached, and the run is to stop."""
        return self._used >= 1 and self.budget.stops

    def stopped(self) -> None:
        """The run was told to stop: the trace says so, once."""
        if not self._stopped:
            self._stopped = True
            self._recorder.channel.label({"stopped_by": f"budget of {self.budget.text}"})
            self._recorder.channel.note(f"stopped by its budget of {self.budget.text}")

    def refuse(self) -> None:
        """Raises `BudgetReached` where the run is to stop."""
        if self.stops:
            self.stopped()
            raise BudgetReached(
                f"the budget of {self.budget.text} is reached", "the trace holds what was done until then"
            )

    def _spent(self, spent: Spent) -> None:
        measured, modelled = spent.part(MEASURED), spent.part(MODELLED)
        unknown_j = measured.unknown_j + modelled.unknown_j
        # What a run may draw at most is no sum that is told: it may be both, and whose it is may be unknown.
        energy_j = measured.application_j + modelled.application_j + unknown_j
        self._used = self.budget.used(energy_j)
        passed = [mark for mark in self._marks if self._used >= mark]
        if not passed:
            return
        self._marks = self._marks[len(passed) :]
        known = []
        if modelled.machine_j > 0:
            known.append("modelled from CPU use" if not measured.machine_j else "some of it modelled from CPU use")
        if unknown_j > 0.01 * energy_j:
            known.append(f"{joules(unknown_j)} of unknown share are counted as the program's")
        if self.budget.pue.factor != 1:
            known.append(f"with a PUE of {self.budget.pue.factor:g}")
        told = f" ({'; '.join(known)})" if known else ""
        _LOG.warning(
            "%s of the budget of %s is drawn: %s%s", percent(self._used), self.budget.text, joules(energy_j), told
        )

    def _lost(self) -> None:
        if self._recorder.state == "recording":
            _LOG.warning(
                "the daemon tells no energy any more, so the budget of %s is no longer watched", self.budget.text
            )


def _told(labels: Mapping[str, str]) -> tuple[Place | None, Pue]:
    from smaragdine.carbon.place import Place, region_told
    from smaragdine.carbon.pue import Pue

    pue = Pue.of(labels.get("pue"))
    told = region_told(None, [labels])
    return (Place(told[0], pue) if told else None), pue
