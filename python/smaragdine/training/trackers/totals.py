"""The totals of a trace for experiment trackers: by the names that a statement's JSON has, modelled energy apart."""

from __future__ import annotations

from collections.abc import Mapping

from smaragdine.accounts.energy import MODELLED
from smaragdine.carbon.credit import J_PER_KWH, Credit
from smaragdine.carbon.place import Place, region_told
from smaragdine.carbon.pue import Pue
from smaragdine.errors import SmaragdineError
from smaragdine.trace.trace import Trace


def totals(trace: Trace) -> tuple[dict[str, float], dict[str, str]]:
    """Metrics and tags. `cpu_kwh`, `gpu_kwh`, `dram_kwh` are without PUE, `energy_kwh` is their sum with it; what is
    modelled stands under `modelled_…`. Raises SmaragdineError where nothing was counted."""
    credit = Credit.of(trace)
    labels = trace.metadata.labels
    place, pue, problem = _place(labels)
    metrics: dict[str, float] = {"duration_h": (trace.metadata.duration_s or 0.0) / 3600, "pue": pue.factor}
    gap_j = 0.0
    for part in credit.parts:
        prefix = _prefix(part.basis)
        metrics[f"{prefix}{part.component}_kwh"] = part.energy_j / J_PER_KWH
        energy_kwh = part.energy_j / J_PER_KWH * pue.factor
        _add(metrics, f"{prefix}energy_kwh", energy_kwh)
        if place is not None:
            _add(metrics, f"{prefix}emissions_kg", energy_kwh * place.intensity.g_per_kwh / 1000)
    if place is not None:
        metrics["intensity_g_per_kwh"] = place.intensity.g_per_kwh
    for basis, energy_j in credit.apart["gap"]:
        gap_j += energy_j
        metrics[f"{_prefix(basis)}unknown_kwh"] = energy_j / J_PER_KWH
    coverage = trace.coverage()
    if coverage.steps:
        metrics["traced_steps_share"] = coverage.traced_steps / coverage.steps
    tags = {"trace": str(trace.path), "coverage": coverage.sentence()}
    if trace.notice:
        tags["notice"] = trace.notice
    if place is not None:
        tags["region"], tags["intensity"] = place.code, place.intensity.origin
    if problem:
        tags["problem"] = problem
    return metrics, tags


def _place(labels: Mapping[str, str]) -> tuple[Place | None, Pue, str]:
    """A label that makes no sense takes no total with it."""
    try:
        pue = Pue.of(labels.get("pue"))
        told = region_told(None, [labels])
        return (Place(told[0], pue) if told else None), pue, ""
    except SmaragdineError as error:
        return None, Pue.of(None), error.message


def _prefix(basis: str) -> str:
    return "modelled_" if basis == MODELLED else ""


def _add(metrics: dict[str, float], name: str, value: float) -> None:
    metrics[name] = metrics.get(name, 0.0) + value
