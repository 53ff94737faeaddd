"""The profile of a trace."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from smaragdine.accounts.energy import MEASURED, MODELLED
from smaragdine.carbon.credit import J_PER_KWH, Credit, component
from smaragdine.errors import UsageError
from smaragdine.what_if import parts as known_parts
from smaragdine.what_if.point import BY, COMPONENTS, Point
from smaragdine.what_if.work import Layers, work_of

if TYPE_CHECKING:
    from smaragdine.carbon.run import Run, Step


def fields(trace: Run, by: str | None = None, policy: str = "equal") -> dict[str, Any]:
    """Those of a `Profile`; see `Profile.of`."""
    if by not in (None, *BY):
        raise UsageError(f"a profile cannot be by {by!r}", f"choose one of {', '.join(BY)}")
    credit = Credit.of(trace, policy)
    steps = list(trace.steps)
    if by is None:
        by = "run" if not steps else "epoch" if len({step.epoch for step in steps}) > 1 else "step"
    if by != "run" and not steps:
        raise UsageError(f"the trace {trace.path} has no steps", "its profile is of the run as a whole")
    whole = {name: kwh for name in COMPONENTS if (kwh := credit.component_kwh(name)) is not None}
    if by == "run":
        points: tuple[Point, ...] = (Point(0, whole, trace.metadata.program_s or trace.metadata.duration_s),)
        outside: dict[str, float] = {}
    else:
        points = _points(trace, steps, by)
        within = _by_component(points)
        # The ledger is checked against the readings, steps are not: where they overlap, they share what it has.
        fits = {name: min(1.0, whole.get(name, 0.0) / kwh) if kwh > 0 else 1.0 for name, kwh in within.items()}
        points = tuple(replace(p, kwh={name: kwh * fits[name] for name, kwh in p.kwh.items()}) for p in points)
        outside = {name: max(0.0, kwh - within.get(name, 0.0)) for name, kwh in whole.items()}
    start = datetime.fromtimestamp(trace.metadata.start_ns / 1e9, timezone.utc)
    energy = credit.energy
    both = bool(energy[MEASURED]) and bool(energy[MODELLED])
    return {
        "name": trace.name,
        "by": by,
        "points": points,
        "parts": known_parts.of_trace(trace.metadata.hardware, whole),
        "basis": "measured and modelled" if both else MODELLED if credit.modelled_only else MEASURED,
        "notice": trace.notice or "",
        "region": trace.metadata.labels.get("region"),
        "started": start.isoformat(timespec="seconds"),
        "outside_kwh": outside,
        "layers": _layers(trace, steps, policy),
        "source": "a Smaragdine trace",
    }


def _by_component(points: Iterable[Point]) -> dict[str, float]:
    sums: dict[str, float] = defaultdict(float)
    for point in points:
        for name, kwh in point.kwh.items():
            sums[name] += kwh
    return sums


def _points(trace: Run, steps: list[Step], by: str) -> tuple[Point, ...]:
    components = {domain.name: component(domain.device, domain.name) for domain in trace.metadata.counted}
    held: dict[int, list[Step]] = {}
    for step in steps:
        held.setdefault(step.epoch if by == "epoch" else step.step, []).append(step)
    points = []
    for number, of in sorted(held.items()):
        kwh: dict[str, float] = dict.fromkeys(dict.fromkeys(components.values()), 0.0)
        for step in of:
            for domain, energy_j in step.energy_j.items():
                if domain in components:
                    kwh[components[domain]] += energy_j / J_PER_KWH
        metrics = {name: value for step in of for name, value in step.metrics.items()}
        points.append(Point(number, kwh, _lasting_s(of), metrics))
    return tuple(points)


def _lasting_s(steps: Iterable[Step]) -> float:
    """While at least one of them ran: ranks of a job train at once."""
    lasting_ns = until_ns = 0
    for start_ns, end_ns in sorted((step.start_ns, step.end_ns) for step in steps):
        lasting_ns += max(0, end_ns - max(start_ns, until_ns))
        until_ns = max(until_ns, end_ns)
    return lasting_ns / 1e9


def _layers(trace: Run, steps: list[Step], policy: str) -> Layers | None:
    """None where nothing was broken down, or the two bases are mixed: their joules must not be compared."""
    footprint = trace.footprint(policy)
    rows = list(footprint)
    traced = [step for step in steps if step.traced]
    bases = {domain.name: domain.basis for domain in trace.metadata.counted}
    if not rows or not traced or len(set(bases.values())) != 1:
        return None
    application_j = sum(energy_j for step in traced for name, energy_j in step.energy_j.items() if name in bases)
    return Layers(application_j, work_of(rows, trace.flops())) if application_j > 0 else None
