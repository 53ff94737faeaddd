"""What energy a run is charged with: the application's part of each counted domain, from the ledger.

Operations, the rest of the application, its untraced steps and the profiling that it asked for are what it caused.
The daemon's own energy is told apart, other processes' and idle energy is not the run's. A gap is neither: the
application has drawn something between nothing and all of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from smaragdine.accounts.energy import MEASURED, MODELLED, Energy
from smaragdine.accounts.ledger import OWN
from smaragdine.carbon.gaps import beyond
from smaragdine.errors import NotMeasuredError

if TYPE_CHECKING:
    from smaragdine.carbon.run import Run

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
    def of(cls, trace: Run, policy: str = "equal") -> Credit:
        """Of a trace. Raises TraceError where it was not accounted by this policy, NotMeasuredError where it has no
        readings or none of them is counted: that is no energy of 0."""
        trace.require_readings()
        nothing = NotMeasuredError(
            f"nothing of the trace {trace.path} is counted: there is no energy to state",
            "`smaragdine doctor` tells what can be measured here",
        )
        if not trace.metadata.counted:
            raise nothing
        ledger = trace.ledger(policy)
        parts: dict[tuple[str, str], Part] = {}
        for domain in trace.metadata.counted:
            entries = ledger.domain(domain.name)
            if not entries:
                continue
            energy = sum(entries.get(entry, 0.0) for entry in OWN)
            more = beyond(trace, domain.name)
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
    # In a job of several hosts both have their host before them: `node7/GPU:0`, `node7/dram-0`.
    device, domain = device.rpartition("/")[2], domain.rpartition("/")[2]
    if device.startswith("GPU:"):
        return "gpu"
    if device.startswith("MODULE:"):
        return "module"
    return "dram" if domain.startswith("dram") else "cpu"


def _joined(one: Part, other: Part) -> Part:
    high = None if one.high_j is None or other.high_j is None else one.high_j + other.high_j
    return Part(one.component, one.basis, one.energy_j + other.energy_j, high)
