"""What the published code adds up: its sweep as it runs, for comparison with the rule that it stands for.

project-smaragdine/smaragdine, 52be5b9. Operations are a set by name, so two executions at once are one. Those that end
are taken from the set only after the segment that follows has been divided among them, too. Power is the latest
reading's, the first one's before it.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from dataclasses import replace

from smaragdine import Trace
from smaragdine.accounts.footprint import Footprint


def released(trace: Trace) -> Footprint:
    """The trace's footprint with energies as the published code has them, of every device's counted domains."""
    footprint = trace.footprint()
    energies: dict[tuple[str, str], float] = {}
    for device in {row.device for row in footprint.rows}:
        for name, energy_j in _device(trace, device).items():
            energies[name, device] = energy_j
    rows = tuple(replace(row, energy_j=energies.get((row.qtn, row.device), 0.0)) for row in footprint.rows)
    return replace(footprint, rows=rows, policy="released")


def _device(trace: Trace, device: str) -> dict[str, float]:
    events = trace.sql(
        "select qtn, start_ns, end_ns from events join ops using (op) "
        f"where kind = 'compute' and device = '{device}' order by start_ns"
    ).fetchall()
    domains = [
        domain.name for domain in trace.metadata.counted if domain.device == device and domain.name in trace.readings
    ]
    readings = [reading for name in domains for reading in _powers(trace, name)]
    return sweep(events, _added(readings))


def _powers(trace: Trace, domain: str) -> list[tuple[int, str, float]]:
    """When a reading of the application's power came, whose, and how many watts."""
    readings = trace.readings[domain]
    return [
        (int(end), domain, float(watts * share))
        for end, watts, share in zip(readings.end_ns, readings.power_w, readings.app_share, strict=True)
        if watts == watts and share == share  # neither is unknown
    ]


def _added(readings: list[tuple[int, str, float]]) -> list[tuple[int, float]]:
    """Power of all domains together, at each reading of any."""
    latest: dict[str, float] = {}
    added: dict[int, float] = {}
    for at_ns, domain, watts in sorted(readings):
        latest[domain] = watts
        added[at_ns] = sum(latest.values())
    return list(added.items())


def sweep(events: list[tuple[str, int, int]], powers: list[tuple[int, float]]) -> dict[str, float]:
    """Joules by name. Events are (name, start_ns, end_ns), powers (at_ns, watts) in order of time."""
    enters: dict[int, list[str]] = defaultdict(list)
    exits: dict[int, list[str]] = defaultdict(list)
    for name, start_ns, end_ns in events:
        enters[start_ns].append(name)
        exits[end_ns].append(name)
    power_at = dict(powers)
    instants = sorted({*enters, *exits, *power_at})
    watts = powers[0][1] if powers else 0.0
    active: set[str] = set()
    energies: dict[str, float] = defaultdict(float)
    for at_ns, until_ns in itertools.pairwise(instants):
        watts = power_at.get(at_ns, watts)
        active.update(enters[at_ns])
        for name in active:
            energies[name] += watts * (until_ns - at_ns) * 1e-9 / len(active)
        active.difference_update(exits[at_ns])
    return dict(energies)
