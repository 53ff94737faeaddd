"""For programs: numbers in full, `significant_digits` telling how many of an emission's are worth showing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from smaragdine.carbon.credit import J_PER_KWH
from smaragdine.carbon.equivalents import equivalents
from smaragdine.carbon.facts import sentence
from smaragdine.shown import json_text

if TYPE_CHECKING:
    from smaragdine.carbon.statement import Statement


def write(statement: Statement, anonymous: bool) -> str:
    return json_text(content(statement, anonymous)) + "\n"


def content(statement: Statement, anonymous: bool = False) -> dict[str, Any]:
    """None where something is not known: that is never 0."""
    work = statement.work
    return {
        "notice": statement.notice,
        "statement": sentence(statement),
        "duration_h": None if work.duration_s is None else work.duration_s / 3600,
        "cpu_h": statement.imported.cpu_h if statement.imported else work.cpu_h,
        # A tracker has those in which kernels ran alone.
        "gpu_h": statement.imported.gpu_h if statement.imported else work.gpu_h,
        "gpu_used_h": statement.imported.gpu_h if statement.imported else work.gpu_used_h,
        "gpu_held_h": work.gpu_held_h,
        **_energy(statement),
        **_carbon(statement),
        **_costs(statement),
        "steps": work.steps or None,
        "samples": work.samples,
        "tokens": work.tokens,
        "flops": work.flops,
        "runs": work.runs or None,
        "names": None if anonymous else list(work.names),
        "hardware": list(work.hardware),
        "training_type": statement.training,
        "design_power": [
            {"kind": one.kind, "guess_kwh": one.guess_kwh, "measured_kwh": one.measured_kwh, "factor": one.factor}
            for one in statement.comparisons
        ],
        "cut": list(work.cuts),
    }


def _energy(statement: Statement) -> dict[str, Any]:
    credit = statement.credit
    factor = statement.pue.factor
    components = {
        f"{name}_kwh": credit.component_kwh(name) if credit else None for name in ("cpu", "gpu", "dram", "module")
    }
    apart = credit.apart.items() if credit else ()
    return {
        **components,
        "energy_kwh": statement.energy_kwh,
        "energy_high_kwh": None if statement.high_kwh is None else statement.high_kwh * factor,
        "modelled_kwh": statement.modelled_kwh if credit else None,
        "basis": statement.basis,
        "pue": factor,
        "pue_source": statement.pue.source,
        "apart_kwh": {entry: (of.measured_j + of.modelled_j) / J_PER_KWH for entry, of in apart},
        "not_measured": list(credit.unmeasured) if credit else [],
    }


def _carbon(statement: Statement) -> dict[str, Any]:
    emissions = statement.emissions
    low, high = statement.kg_bounds or (None, None)
    told: dict[str, Any] = {
        "emissions_kg": statement.kg,
        "emissions_low_kg": low,
        "emissions_high_kg": high,
        "emissions_modelled_kg": emissions.modelled_g / 1000 if emissions else None,
        "significant_digits": statement.kg_digits,
        "region": None,
        "intensity_g_per_kwh": None,
    }
    if imported := statement.imported:
        return told | {
            "region": imported.region,
            "region_told_by": statement.told_by,
            "intensity_g_per_kwh": imported.intensity_g_per_kwh,
            "intensity_source": imported.intensity_source,
            "imported_from": imported.tool,
            "accounting": "location-based",
        }
    if emissions is None:
        return told
    place, row = emissions.place, emissions.place.intensity
    least, most = emissions.range_g_per_kwh or (None, None)
    market = statement.market_g_per_kwh
    return told | {
        "region": place.code,
        "region_name": place.name,
        "region_told_by": statement.told_by,
        "intensity_g_per_kwh": emissions.intensity_g_per_kwh,
        "intensity_low_g_per_kwh": least,
        "intensity_high_g_per_kwh": most,
        "intensity_year": row.year or None,
        "intensity_method": row.method,
        "intensity_scope": row.scope,
        "intensity_source": emissions.origin if emissions.weighed else row.source,
        "intensity_licence": row.licence or None,
        "intensity_by_time_share": emissions.weighed.share if emissions.weighed else None,
        "accounting": "location-based",
        "market_based_kg": None if market is None else (statement.energy_kwh or 0.0) * market / 1000,
    }


def _costs(statement: Statement) -> dict[str, Any]:
    cost, water = statement.cost, statement.water
    usd = cost.of_kg(statement.kg) if cost and statement.kg is not None else (None, None, None)
    return {
        "social_cost_usd": usd[0],
        "social_cost_low_usd": usd[1],
        "social_cost_high_usd": usd[2],
        "social_cost_country": cost.country if cost else None,
        "social_cost_source": cost.source if cost else None,
        "water_l": water[0] if water else None,
        "water_source": water[1].source if water else None,
        "sci_g": statement.sci,
        "sci_embodied_kg": statement.embodied_kg,
        "equivalents": {one.name: one.count for one in equivalents(statement.kg)} if statement.kg is not None else {},
    }
