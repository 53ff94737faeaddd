"""From traced steps to a whole run, and from a run to a step, a sample or a token."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

from smaragdine.errors import SmaragdineError
from smaragdine.footprint import Footprint

if TYPE_CHECKING:
    from smaragdine.trace import Step, Trace

SCOPES = ("traced", "run")
PER = ("run", "step", "sample", "token")


def scoped(trace: Trace, footprint: Footprint, scope: str, per: str) -> Footprint:
    """The footprint of one scope, per one unit. Raises SmaragdineError where the trace's steps do not tell."""
    if scope not in SCOPES:
        raise SmaragdineError(f"there is no scope {scope!r}", f"choose one of {', '.join(SCOPES)}", exit_code=2)
    if per not in PER:
        raise SmaragdineError(f"a footprint has no amount per {per!r}", f"choose one of {', '.join(PER)}", exit_code=2)
    if scope == "run":
        footprint = _extrapolated(trace, footprint)
    if per != "run":
        steps = trace.steps if scope == "run" else [step for step in trace.steps if step.traced]
        footprint = footprint.divided(_amount(trace, steps, per), per)
    return footprint


def _extrapolated(trace: Trace, footprint: Footprint) -> Footprint:
    """Each domain's energy grows as the application's energy there does from the traced steps to all steps."""
    traced = [step for step in trace.steps if step.traced]
    if not traced:
        raise SmaragdineError(f"the trace {trace.path} has no traced step to extrapolate from", exit_code=2)
    whole, part = _energy(trace.steps), _energy(traced)
    amount = len(trace.steps) / len(traced)
    devices = {domain.name: (domain.device, domain.basis) for domain in trace.metadata.domains}
    before: dict[tuple[int, str, str], float] = defaultdict(float)
    after: dict[tuple[int, str, str], float] = defaultdict(float)
    for op, domain, energy_j in trace._rows(
        "select op, domain, energy_j from footprint_domains where policy = ?", footprint.policy
    ):
        factor = whole[domain] / part[domain] if part.get(domain) else amount
        key = (op, *devices.get(domain, ("", "")))
        before[key] += energy_j
        after[key] += energy_j * factor
    rows = []
    for row in footprint.rows:
        key = (row.op if row.op is not None else -1, row.device, row.basis)
        rows.append(row.scaled(after[key] / before[key] if before[key] else amount, amount))
    return replace(footprint, rows=tuple(rows), scope="run")


def _energy(steps: list[Step]) -> dict[str, float]:
    total: dict[str, float] = defaultdict(float)
    for step in steps:
        for domain, energy_j in step.energy_j.items():
            total[domain] += energy_j
    return total


def _amount(trace: Trace, steps: list[Step], per: str) -> float:
    if per == "step":
        amount = float(len(steps))
    elif per == "sample":
        amount = float(sum(step.samples or 0 for step in steps))
    else:
        amount = sum(step.metrics.get("tokens", 0.0) for step in steps)
    if amount <= 0:
        hint = "log a metric named `tokens` with each step" if per == "token" else None
        raise SmaragdineError(f"the trace {trace.path} does not tell how many {per}s there were", hint, exit_code=2)
    return amount
