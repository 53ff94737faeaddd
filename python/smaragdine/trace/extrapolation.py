"""From traced steps to a whole run, and from a run to a step, a sample or a token."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import replace

from smaragdine.accounts.footprint import Footprint
from smaragdine.accounts.row import FootprintRow
from smaragdine.accounts.words import PER, SCOPES
from smaragdine.errors import TraceError, UsageError
from smaragdine.trace.accounting import Accounting
from smaragdine.trace.steps import Step

_QUANTILE = 1.645
"""Of a normal distribution: nine tenths lie within as many standard deviations."""

_Key = tuple[int | None, str, str]
"""Operation, device and basis."""


def scoped(accounting: Accounting, footprint: Footprint, scope: str, per: str) -> Footprint:
    """The footprint of one scope, per one unit. Raises SmaragdineError where the trace's steps do not tell."""
    if scope not in SCOPES:
        raise UsageError(f"there is no scope {scope!r}", f"choose one of {', '.join(SCOPES)}")
    if per not in PER:
        raise UsageError(f"a footprint has no amount per {per!r}", f"choose one of {', '.join(PER)}")
    if scope == "run":
        footprint = _extrapolated(accounting, footprint)
    if per != "run":
        steps = accounting.steps if scope == "run" else [step for step in accounting.steps if step.traced]
        footprint = footprint.divided(_amount(accounting, steps, per), per)
    return footprint


def _extrapolated(accounting: Accounting, footprint: Footprint) -> Footprint:
    """Each domain's energy grows as the application's energy there does from the traced steps to all steps.

    Intervals widen by what traced steps differ among each other: other steps may differ from them as much.
    """
    traced = [step for step in accounting.steps if step.traced]
    if not traced:
        raise TraceError(f"the trace {accounting.tables.directory} has no traced step to extrapolate from")
    whole, part = _energy(accounting.steps), _energy(traced)
    amount = len(accounting.steps) / len(traced)
    devices = {domain.name: (domain.device, domain.basis) for domain in accounting.metadata.domains}
    before: dict[_Key, float] = defaultdict(float)
    after: dict[_Key, float] = defaultdict(float)
    for op, domain, energy_j in accounting.tables.rows(
        "select op, domain, energy_j from footprint_domains where policy = ?", footprint.policy
    ):
        factor = whole[domain] / part[domain] if part.get(domain) else amount
        key = (op, *devices.get(domain, ("", "")))
        before[key] += energy_j
        after[key] += energy_j * factor
    deviation_j = _deviations_j(accounting, footprint, traced)
    rows = []
    for row in footprint.rows:
        key = (row.op, row.device, row.basis)
        scaled = row.scaled(after[key] / before[key] if before[key] else amount, amount)
        # Of the steps, those that were traced are known.
        unknown = amount * len(accounting.steps) * (1 - 1 / amount)
        half_j = _QUANTILE * math.sqrt(unknown) * deviation_j[key] if key in deviation_j else None
        # What deconvolution could not tell an interval of has none in the run either.
        told = row.energy_low_j is not None or footprint.policy != "deconvolved"
        rows.append(_widened(scaled, half_j if told else None))
    return replace(footprint, rows=tuple(rows), scope="run")


def _widened(row: FootprintRow, half_j: float | None) -> FootprintRow:
    """Independent causes: their widths add as squares. Without an interval of its own, a row has that of the steps."""
    if half_j is None:
        return replace(row, energy_low_j=None, energy_high_j=None)
    low, high = (row.energy_j if end is None else end for end in (row.energy_low_j, row.energy_high_j))
    return replace(
        row,
        energy_low_j=max(0.0, row.energy_j - math.hypot(row.energy_j - low, half_j)),
        energy_high_j=row.energy_j + math.hypot(high - row.energy_j, half_j),
    )


def _deviations_j(accounting: Accounting, footprint: Footprint, traced: list[Step]) -> dict[_Key, float]:
    """Standard deviation, in joules, of a traced step's energy from its part of the application's energy in that step.

    None for fewer than two traced steps. An operation's energy in a step follows its time there.
    """
    if len(traced) < 2:
        return {}
    applications: dict[tuple[str, str], list[float]] = {
        key: [sum(step.energy_j.get(name, 0.0) for name in names) for step in traced]
        for key, names in _domains(accounting).items()
    }
    numbers = {step.step: number for number, step in enumerate(traced)}
    times_s: dict[tuple[int, str], list[float]] = defaultdict(lambda: [0.0] * len(traced))
    for op, device, step, time_s in accounting.tables.rows(
        "select op, device, step, sum(end_ns - start_ns) / 1e9 from events where step is not null group by all"
    ):
        if step in numbers:
            times_s[op, device][numbers[step]] += time_s
    deviations_j: dict[_Key, float] = {}
    for row in footprint.rows:
        application = applications.get((row.device, row.basis), [])
        whole_j, time_s = sum(application), sum(times_s[row.op or 0, row.device])
        if whole_j <= 0 or time_s <= 0:
            continue
        energies = (row.energy_j * time / time_s for time in times_s[row.op or 0, row.device])
        differences = (e - row.energy_j * a / whole_j for e, a in zip(energies, application, strict=True))
        deviations_j[row.op, row.device, row.basis] = math.sqrt(sum(d * d for d in differences) / (len(traced) - 1))
    return deviations_j


def _domains(accounting: Accounting) -> dict[tuple[str, str], list[str]]:
    names: dict[tuple[str, str], list[str]] = defaultdict(list)
    for domain in accounting.metadata.counted:
        names[domain.device, domain.basis].append(domain.name)
    return names


def _energy(steps: list[Step]) -> dict[str, float]:
    total: dict[str, float] = defaultdict(float)
    for step in steps:
        for domain, energy_j in step.energy_j.items():
            total[domain] += energy_j
    return total


def _amount(accounting: Accounting, steps: list[Step], per: str) -> float:
    if per == "step":
        # A step of a job is one of each of its ranks.
        amount = len(steps) / accounting.metadata.ranks
    elif per == "sample":
        amount = float(sum(step.samples or 0 for step in steps))
    else:
        amount = sum(step.metrics.get("tokens", 0.0) for step in steps)
    if amount <= 0:
        hint = "log a metric named `tokens` with each step" if per == "token" else None
        raise TraceError(f"the trace {accounting.tables.directory} does not tell how many {per}s there were", hint)
    return amount
