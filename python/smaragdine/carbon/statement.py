"""`Statement`: what a run, a study or a paper cost, with what is known of how sure that is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from smaragdine.accounts.energy import MEASURED
from smaragdine.carbon.credit import Credit
from smaragdine.carbon.digits import significant
from smaragdine.carbon.emissions import Emissions
from smaragdine.carbon.estimate import Comparison, compare
from smaragdine.carbon.forms import write
from smaragdine.carbon.hardware import of_trace
from smaragdine.carbon.imported import Imported
from smaragdine.carbon.place import Place
from smaragdine.carbon.pue import Pue
from smaragdine.carbon.social_cost import SocialCost
from smaragdine.carbon.water import Water
from smaragdine.carbon.work import Work
from smaragdine.errors import NotMeasuredError

if TYPE_CHECKING:
    from smaragdine.carbon.run import Run

KG = 1000.0
_MEASURED_DIGITS = 3


@dataclass(frozen=True, slots=True)
class Statement:
    """One of three: of traces (`credit`), of energy that was told, or of emissions that were told."""

    pue: Pue
    credit: Credit | None = None
    told_kwh: float | None = None
    told_kg: float | None = None
    told_digits: int = 3
    emissions: Emissions | None = None
    """None where no place is told: energy without a place stays energy."""
    told_by: str = ""
    """Who told the place."""
    cost: SocialCost | None = None
    embodied_kg: float | None = None
    market_g_per_kwh: float | None = None
    """A figure of the user's own contract, beside the grid's."""
    training: str | None = None
    """`pre-training` or `fine-tuning`, where it was told."""
    work: Work = field(default_factory=Work)
    imported: Imported | None = None
    """What another tool's log says of itself, where its PUE and intensity are kept."""
    comparisons: tuple[Comparison, ...] = ()

    @classmethod
    def of(
        cls, traces: Sequence[Run], place: Place | None, *, pue: Pue | None = None, allow_modelled: bool = False
    ) -> Statement:
        """Of traces, which together are one piece of work; the PUE is the place's where there is one.

        Imported logs keep their own PUE and intensity where neither place nor PUE is told. Raises NotMeasuredError
        where nothing was measured, unless modelled energy is allowed.
        """
        imported = Imported.of(traces) if place is None and pue is None else None
        pue = imported.pue if imported else place.pue if place else pue or Pue.of(None)
        credits = [Credit.of(trace) for trace in traces]
        for trace, credit in zip(traces, credits, strict=True):
            if credit.modelled_only and not allow_modelled and not imported:
                raise NotMeasuredError(
                    f"no energy of the trace {trace.path} was measured: its power is modelled from CPU use",
                    "`smaragdine doctor` tells how to measure; --allow-modelled states it all the same, and says so",
                )
        total = Credit.total(credits)
        emissions = Emissions.of_credit(total, place, traces if place.series else ()) if place else None
        work = Work.of(traces)
        compared: list[Comparison] = []
        for trace, credit in zip(traces, credits, strict=True):
            hours = (trace.metadata.duration_s or 0.0) / 3600
            kinds = [kind for kind in ("cpu", "gpu") if credit.bases(kind) == (MEASURED,)]
            measured = {kind: credit.component_kwh(kind) for kind in kinds}
            compared += compare(of_trace(trace.metadata.hardware), hours, measured)
        return cls(
            pue, total, emissions=emissions, work=work, comparisons=_together(compared), imported=imported,
            told_by="by the log" if imported else "",
        )  # fmt: skip

    @classmethod
    def of_energy(cls, kwh: float, place: Place | None, *, pue: Pue | None = None, digits: int = 3) -> Statement:
        """Of energy that somebody measured without us, without PUE."""
        pue = place.pue if place else pue or Pue.of(None)
        emissions = Emissions(kwh, 0.0, kwh, place) if place else None
        return cls(pue, told_kwh=kwh, told_digits=digits, emissions=emissions)

    @classmethod
    def of_emissions(cls, kg: float | str) -> Statement:
        """Of emissions that somebody computed without us."""
        return cls(Pue.of(None), told_kg=float(kg), told_digits=significant(str(kg)))

    def with_cost(self, country: str | None) -> Statement:
        """With the social cost of a country; without one told, of the country that the place is in, where it is known.

        Raises SmaragdineError where the country that was told has none.
        """
        if country:
            return replace(self, cost=SocialCost.of(country))
        known = self.emissions.place.country if self.emissions else self.imported.country if self.imported else None
        return replace(self, cost=SocialCost.known(known)) if known else self

    def write(self, form: str = "text", *, anonymous: bool = False) -> str:
        """In one of `text`, `markdown`, `latex`, `json`, `model-card`, `spdx`, `annex-xi`."""
        return write(self, form, anonymous=anonymous)

    def __str__(self) -> str:
        return self.write()

    @property
    def notice(self) -> str | None:
        """What it opens with where nothing was measured; another tool's log is told of by its source instead."""
        return None if self.imported else "; ".join(self.work.notices) or None

    @property
    def kwh(self) -> float | None:
        """Energy of the computers, without PUE."""
        return self.credit.kwh if self.credit else self.told_kwh

    @property
    def high_kwh(self) -> float | None:
        return self.credit.high_kwh if self.credit else self.told_kwh

    @property
    def energy_kwh(self) -> float | None:
        """With PUE."""
        return None if self.kwh is None else self.kwh * self.pue.factor

    @property
    def modelled_kwh(self) -> float:
        return self.credit.modelled_kwh * self.pue.factor if self.credit else 0.0

    @property
    def energy_digits(self) -> int:
        """Of what was measured three, of what was told as many as were written; not more than the PUE has."""
        told = self.told_digits if self.told_kwh is not None else _MEASURED_DIGITS
        return told if self.pue.factor == 1 else min(told, self.pue.digits)

    @property
    def kg(self) -> float | None:
        if self.told_kg is not None:
            return self.told_kg
        if self.imported:
            return self.imported.kg
        return self.emissions.grams / KG if self.emissions else None

    @property
    def intensity_g_per_kwh(self) -> float | None:
        if self.imported:
            return self.imported.intensity_g_per_kwh
        return self.emissions.intensity_g_per_kwh if self.emissions else None

    @property
    def kg_digits(self) -> int:
        if self.told_kg is not None:
            return self.told_digits
        return min(self.emissions.digits, self.energy_digits) if self.emissions else self.energy_digits

    @property
    def kg_bounds(self) -> tuple[float, float | None] | None:
        """Least and most; None where no interval is known, the most also where a gap has no upper bound."""
        if self.emissions is None or self.emissions.low_g is None:
            return None
        high = self.emissions.high_g
        return self.emissions.low_g / KG, None if high is None else high / KG

    @property
    def basis(self) -> str:
        """`measured`, `modelled`, `measured and modelled`, or `told`."""
        if self.credit is None:
            return "told"
        if not self.credit.modelled_kwh:
            return "measured"
        return "modelled" if self.credit.modelled_only else "measured and modelled"

    @property
    def water(self) -> tuple[float, Water] | None:
        """Litres that power stations used, where the table has the place's country."""
        if self.energy_kwh is None or self.emissions is None:
            return None
        water = Water.of(self.emissions.place.country)
        return (self.energy_kwh * water.l_per_kwh, water) if water else None

    @property
    def sci(self) -> dict[str, float]:
        """Software carbon intensity: grams per step, sample and token, as far as they were counted.

        (E × I + M) ÷ R of ISO/IEC 21031; M is 0 unless the embodied emissions of the hardware were told.
        """
        if self.emissions is None or self.told_kg is not None:
            return {}
        grams = self.emissions.grams + KG * (self.embodied_kg or 0.0)
        return {unit: grams / count for unit, count in self.work.counts.items() if count > 0}


def _together(comparisons: Sequence[Comparison]) -> tuple[Comparison, ...]:
    """Of several runs one for each kind of part."""
    kinds: dict[str, Comparison] = {}
    for one in comparisons:
        if held := kinds.get(one.kind):
            one = Comparison(
                one.kind,
                tuple(dict.fromkeys((*held.hardware, *one.hardware))),
                held.guess_kwh + one.guess_kwh,
                held.measured_kwh + one.measured_kwh,
            )
        kinds[one.kind] = one
    return tuple(kinds.values())
