"""A statement as sentences and rows of text, which the readable formats share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from smaragdine.accounts.energy import MEASURED
from smaragdine.accounts.quantity import joules, percent, seconds
from smaragdine.carbon import pue
from smaragdine.carbon.digits import grams, rounded
from smaragdine.carbon.equivalents import equivalents
from smaragdine.carbon.estimate import THIRD
from smaragdine.carbon.intensity import MEANINGS

if TYPE_CHECKING:
    from smaragdine.carbon.credit import Credit
    from smaragdine.carbon.statement import Statement

_COMPONENTS = {"cpu": "CPU", "gpu": "GPU", "dram": "DRAM", "module": "module (CPU and GPU together)"}
NO_PLACE = (
    "no region is told, so the energy stays energy: name one with --region, SMARAGDINE_REGION or the label region "
    "of the recording; `smaragdine regions` lists them"
)


def sentence(statement: Statement) -> str:
    """What stands at the end of a paper."""
    parts = []
    if statement.kg is not None:
        parts.append(f"contributed {emitted(statement)} of CO2eq to the atmosphere")
    if statement.energy_kwh is not None:
        parts.append(f"used {kwh(statement.energy_kwh, statement)} of electricity{_modelled(statement)}")
    told = f"This work {' and '.join(parts)}"
    if statement.cost and statement.kg is not None:
        cost = statement.cost
        told += f", having a {cost.country}-specific social cost of carbon of {cost.sentence(statement.kg)}"
    return told + "."


def rows(statement: Statement, *, anonymous: bool = False) -> list[tuple[str, str]]:
    """Label and value, in the order in which they are read."""
    told = [*_energy(statement), *_carbon(statement), *_costs(statement), *_work(statement, anonymous)]
    return [*told, *_worth(statement)]


def kwh(value: float, statement: Statement) -> str:
    return f"{rounded(value, statement.energy_digits)} kWh"


def emitted(statement: Statement) -> str:
    assert statement.kg is not None
    if statement.told_kg is not None:
        return f"{rounded(statement.told_kg, statement.told_digits)} kg"
    return grams(1000 * statement.kg, statement.kg_digits)


def _modelled(statement: Statement) -> str:
    if not statement.modelled_kwh:
        return ""
    if statement.basis == "modelled":
        how = f"by {statement.imported.tool}" if statement.imported else "from CPU use"
        return f" (modelled {how}, not measured)"
    return f" ({kwh(statement.modelled_kwh, statement)} of it modelled, not measured)"


def _energy(statement: Statement) -> Iterator[tuple[str, str]]:
    if statement.energy_kwh is None or statement.kwh is None:
        return
    yield "energy", f"{kwh(statement.energy_kwh, statement)}, {statement.basis}{_between(statement)}"
    for component, name in _COMPONENTS.items() if statement.credit else ():
        assert statement.credit is not None
        if (of := statement.credit.component_kwh(component)) is not None:
            basis = " and ".join(statement.credit.bases(component))
            yield f"  {name}, without PUE", f"{kwh(of, statement)}, {basis}"
    assumed = f"; {pue.hint()}" if statement.pue.assumed else ""
    yield "PUE", f"{statement.pue.factor:g} ({statement.pue.source}){assumed}"


def _between(statement: Statement) -> str:
    if statement.high_kwh is None:
        return "; at least, for nobody knows what gaps took"
    if statement.kwh is not None and statement.high_kwh > statement.kwh:
        return (
            f"; at most {kwh(statement.high_kwh * statement.pue.factor, statement)} with all that gaps can have taken"
        )
    return ""


def _carbon(statement: Statement) -> Iterator[tuple[str, str]]:
    emissions = statement.emissions
    if imported := statement.imported:
        yield "region", f"{imported.region or 'not told'}, by the log"
        if imported.intensity_g_per_kwh is not None:
            shown = rounded(imported.intensity_g_per_kwh, statement.kg_digits)
            yield "carbon intensity", f"{shown} g CO2e/kWh; {imported.intensity_source}"
        own = "not in the log" if statement.kg is None else f"{emitted(statement)}, by {imported.tool}'s figures"
        yield "CO2e", own
        return
    if emissions is None:
        if statement.told_kg is not None:
            yield "CO2e", f"{emitted(statement)}, as told"
        else:
            yield "CO2e", NO_PLACE
        return
    place, digits = emissions.place, statement.kg_digits
    yield "region", f"{place.name} ({place.code}), {statement.told_by}".removesuffix(", ")
    shown = rounded(emissions.intensity_g_per_kwh, emissions.digits)
    yield "carbon intensity", f"{shown} g CO2e/kWh, {emissions.origin}"
    yield "  what it counts", f"location-based, {place.intensity.scope}: {MEANINGS[place.intensity.scope]}"
    if told := emissions.range_g_per_kwh:
        others = "; ".join(f"{rounded(row.g_per_kwh, row.digits)} of {row.year}, {row.source}" for row in place.others)
        ends = " to ".join(rounded(value, emissions.digits) for value in told)
        yield "  what else is published", f"{ends} g CO2e/kWh{f' ({others})' if others else ''}"
    elif not emissions.timed:
        yield "  how sure it is", "the source gives one figure and no range"
    between = ""
    if bounds := statement.kg_bounds:
        high = "no upper bound" if bounds[1] is None else grams(1000 * bounds[1], digits)
        between = f" ({grams(1000 * bounds[0], digits)} to {high})"
    yield "CO2e", f"{emitted(statement)}{between}"
    if statement.market_g_per_kwh is not None and statement.energy_kwh is not None:
        value = grams(statement.energy_kwh * statement.market_g_per_kwh, digits)
        yield "CO2e, market-based", f"{value}, by the user's own {statement.market_g_per_kwh:g} g CO2e/kWh"


def _costs(statement: Statement) -> Iterator[tuple[str, str]]:
    if statement.kg is not None:
        if cost := statement.cost:
            told = f"{cost.sentence(statement.kg)} in {cost.name}, median (low, high), USD of 2005; {cost.source}"
            yield "social cost of carbon", told
        source = ""
        for one in equivalents(statement.kg):
            yield "as much as", f"{rounded(one.count, 2)} {one.name}"
            source = one.source
        yield "  after", source
    if statement.water:
        litres, water = statement.water
        told = f"{rounded(litres, 2)} L at power stations, without the site's cooling; {water.source}"
        yield "water", told
    for unit, of in statement.sci.items():
        embodied = "embodied emissions included" if statement.embodied_kg else "embodied emissions not known, left out"
        yield f"SCI per {unit}", f"{grams(of, statement.kg_digits)} CO2e ({embodied})"


def _work(statement: Statement, anonymous: bool) -> Iterator[tuple[str, str]]:
    work = statement.work
    if not work.runs:
        return
    if not anonymous:
        yield "runs", ", ".join(work.names)
    elif work.runs > 1:
        yield "runs", str(work.runs)
    if work.duration_s is not None:
        yield "duration", seconds(work.duration_s) + (f", summed over {work.runs} runs" if work.runs > 1 else "")
    if work.cpu_h is not None:
        yield "CPU time", f"{rounded(work.cpu_h, 3)} h"
    if work.gpu_h:
        used = "" if work.gpu_used_h is None else f", used for {rounded(work.gpu_used_h, 3)} h"
        yield "GPUs held by the run", f"{rounded(work.gpu_h, 3)} h{used}"
    if work.gpu_held_h:
        yield "GPUs held for", f"{rounded(work.gpu_held_h, 3)} h"
    if work.hardware:
        yield "hardware", "; ".join(work.hardware)
    for one in statement.comparisons:
        parts = ", ".join(f"{part.count} × {part.name} of {part.tdp_w:g} W" for part in one.hardware)
        guess = f"{kwh(one.guess_kwh, statement)} for {parts}, or {kwh(one.guess_kwh * THIRD, statement)} at a third"
        more = f"{rounded(one.factor, 2)} or {rounded(one.factor * THIRD, 2)} times what was measured"
        yield f"{one.kind.upper()} by design power", f"{guess}: {more} ({kwh(one.measured_kwh, statement)})"


def _worth(statement: Statement) -> Iterator[tuple[str, str]]:
    """What was measured, modelled, not measured, a gap; and what is not the run's."""
    if not (credit := statement.credit):
        return
    by_basis: dict[str, list[str]] = {}
    for part in credit.parts:
        by_basis.setdefault(part.basis, []).append(_COMPONENTS[part.component])
    for basis, names in by_basis.items():
        how = f": by {statement.imported.tool}" if statement.imported else ": computed from CPU use, no sensor"
        yield basis, ", ".join(names) + ("" if basis == MEASURED else how)
    missing = list(credit.unmeasured)
    within = statement.imported is not None and statement.imported.dram_within_cpu
    if not within and credit.component_kwh("dram") is None and credit.component_kwh("module") is None:
        missing.append("DRAM")
    if missing:
        yield "not measured", ", ".join(missing)
    yield "gaps", _gaps(credit)
    for cut in statement.work.cuts:
        yield "recording", cut
    apart = "; ".join(
        f"{entry} {credit.apart[entry]}" for entry in ("daemon", "other", "idle") if entry in credit.apart
    )
    yield "read beside it", f"{apart}: not charged to the run"


def _gaps(credit: Credit) -> str:
    gap, energy = credit.apart["gap"], credit.energy
    if credit.high_kwh is None:
        return f"{joules(gap.measured_j + gap.modelled_j)} were read in them; how much they took is not known"
    more_j = 3.6e6 * (credit.high_kwh - credit.kwh)
    whole = energy.measured_j + energy.modelled_j
    return f"at most {joules(more_j)} more ({percent(more_j / whole) if whole else '–'})" if more_j > 0 else "none"
