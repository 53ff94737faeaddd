"""What energy a run is charged with: the application's part of each counted domain, from the ledger.

Operations, the rest of the application, its untraced steps and the profiling that it asked for are what it caused.
The daemon's own energy is told apart, other processes' and idle energy is not the run's. A gap is neither: the
application has drawn something between nothing and all of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from smaragdine.accounts.energy import MEASURED, MODELLED, Energy
from smaragdine.carbon.fault import unmeasured

if TYPE_CHECKING:
    from smaragdine.trace.trace import Readings, Trace

ENTRIES = ("operations", "application", "untraced", "profiling")
APART = ("daemon", "other", "idle", "gap")
COMPONENTS = ("cpu", "gpu", "dram", "module")
J_PER_KWH = 3.6e6


@dataclass(frozen=True, slots=True)
class Part:
    """Energy of one component by one basis, without PUE. `high_j` is None where nobody knows how much a gap took."""

    component: str
    basis: str
    energy_j: float
    high_j: float | None


@dataclass(frozen=True, slots=True)
class Credit:
    """The energy of one or several runs: by component and basis, and what was read beside it."""

    parts: tuple[Part, ...]
    apart: Mapping[str, Energy]
    unmeasured: tuple[str, ...] = ()
    """Devices of which no energy was counted."""

    @classmethod
    def of(cls, trace: Trace, policy: str = "equal") -> Credit:
        """Of a trace. Raises SmaragdineError where it was not accounted by this policy, and with exit code 3 where it
        has no readings or none of them is counted: that is no energy of 0."""
        trace.require_readings()
        nothing = unmeasured(
            f"nothing of the trace {trace.path} is counted: there is no energy to state",
            "`smaragdine doctor` tells what can be measured here",
        )
        if not trace.metadata.counted:
            raise nothing
        ledger = trace.ledger(policy)
        beyond = _beyond(trace)
        parts: dict[tuple[str, str], Part] = {}
        for domain in trace.metadata.counted:
            entries = ledger.domain(domain.name)
            if not entries:
                continue
            energy = sum(entries.get(entry, 0.0) for entry in ENTRIES)
            more = beyond.get(domain.name, 0.0)
            high = None if more is None else energy + entries.get("gap", 0.0) + more
            part = Part(component(domain.device, domain.name), domain.basis, energy, high)
            key = (part.component, part.basis)
            parts[key] = _joined(parts[key], part) if key in parts else part
        if not parts:
            raise nothing
        held = {row.device for row in ledger}
        missing = tuple(device for device in trace.metadata.devices if device not in held)
        return cls(tuple(parts.values()), {entry: ledger.entry(entry) for entry in APART}, missing)

    @classmethod
    def total(cls, credits: Iterable[Credit]) -> Credit:
        parts: dict[tuple[str, str], Part] = {}
        apart: dict[str, Energy] = {}
        missing: dict[str, None] = {}
        for credit in credits:
            for part in credit.parts:
                key = (part.component, part.basis)
                parts[key] = _joined(parts[key], part) if key in parts else part
            for entry, energy in credit.apart.items():
                apart[entry] = apart.get(entry, Energy()) + energy
            missing |= dict.fromkeys(credit.unmeasured)
        return cls(tuple(parts.values()), apart, tuple(missing))

    @property
    def energy(self) -> Energy:
        return Energy.total((part.basis, part.energy_j) for part in self.parts)

    @property
    def kwh(self) -> float:
        """Both bases together, for what has one number alone; whoever shows it says how much of it is modelled."""
        return sum(part.energy_j for part in self.parts) / J_PER_KWH

    @property
    def high_kwh(self) -> float | None:
        """With all of every gap; None where nobody knows how much one took."""
        highs = [part.high_j for part in self.parts if part.high_j is not None]
        return sum(highs) / J_PER_KWH if len(highs) == len(self.parts) else None

    @property
    def modelled_kwh(self) -> float:
        return self.energy[MODELLED] / J_PER_KWH

    @property
    def modelled_only(self) -> bool:
        return bool(self.parts) and all(part.basis == MODELLED for part in self.parts)

    def component_kwh(self, name: str) -> float | None:
        """None where it was not measured: that is not 0."""
        of = [part.energy_j for part in self.parts if part.component == name]
        return sum(of) / J_PER_KWH if of else None

    def bases(self, name: str) -> tuple[str, ...]:
        held = {part.basis for part in self.parts if part.component == name}
        return tuple(basis for basis in (MEASURED, MODELLED) if basis in held)


def component(device: str, domain: str) -> str:
    """Whose energy a domain's is: `cpu`, `gpu`, `dram`, or `module` where hardware meters CPU and GPU together."""
    if device.startswith("GPU:"):
        return "gpu"
    if device.startswith("MODULE:"):
        return "module"
    return "dram" if domain.startswith("dram") else "cpu"


def _joined(one: Part, other: Part) -> Part:
    high = None if one.high_j is None or other.high_j is None else one.high_j + other.high_j
    return Part(one.component, one.basis, one.energy_j + other.energy_j, high)


def _beyond(trace: Trace) -> dict[str, float | None]:
    """How much more than their readings say gaps can have taken, by domain; None where nobody knows.

    Readings whose energy is not known and that no gap of `trace.json` holds (it tells a thousand, and imported logs
    none) have no bound; neither has what a cut recording missed.
    """
    beyond: dict[str, float | None] = {}
    gaps = trace.metadata.raw.get("gaps") or []
    for gap in gaps:
        so_far, low, high = beyond.get(gap["domain"], 0.0), gap.get("energy_low_j"), gap.get("energy_high_j")
        unknown = so_far is None or high is None
        beyond[gap["domain"]] = None if unknown else so_far + max(0.0, high - (low or 0.0))
    for domain in trace.metadata.counted:
        held = sorted((gap["start_ns"], gap["end_ns"]) for gap in gaps if gap["domain"] == domain.name)
        if _missing(trace) or _untold(trace.readings.get(domain.name), held):
            beyond[domain.name] = None
    return beyond


def _untold(readings: Readings | None, gaps: list[tuple[int, int]]) -> bool:
    """Some reading of unknown energy lies in none of the gaps, which are in order and do not overlap."""
    if readings is None or not readings.gap.any():
        return False
    starts = np.array([start for start, _ in gaps], dtype=np.int64)
    ends = np.array([end for _, end in gaps], dtype=np.int64)
    place = np.searchsorted(starts, readings.start_ns[readings.gap], "right") - 1
    if not len(starts) or (place < 0).any():
        return True
    return bool((readings.end_ns[readings.gap] > ends[place]).any())


def _missing(trace: Trace) -> bool:
    """The program went on after its recording was cut, or may have."""
    metadata = trace.metadata
    if metadata.state != "cut":
        return False
    return metadata.program_s is None or metadata.program_s > (metadata.duration_s or 0.0)
