"""How much of a run its broken-down energy covers: the first thing to know about a footprint."""

from __future__ import annotations

from dataclasses import dataclass

from smaragdine.accounts.energy import MEASURED, MODELLED, Energy
from smaragdine.accounts.quantity import percent, seconds


@dataclass(frozen=True, slots=True)
class Coverage:
    """Steps and seconds traced, and how much of the application's energy there operations explain."""

    steps: int | None
    """None where the trace does not tell."""
    traced_steps: int
    steps_s: float
    traced_s: float
    operations: Energy
    """Energy of operations."""
    application: Energy
    """Energy of the application in traced steps outside operations."""
    layered_share: float | None
    """Share of operation time that has a layer; None where there are no operations."""
    modelled: bool
    notice: str | None = None
    """What every view opens with; None where something measured is counted."""
    cut: str | None = None
    """That the recording was cut, and how much is missing; None where its program ended it."""
    refused: tuple[tuple[str, str], ...] = ()
    """Domains whose energy could not be deconvolved, each with the reason; equal share has split it instead."""

    def explained_share(self, basis: str) -> float | None:
        """Share of the application's energy in traced steps that operations hold."""
        whole = self.operations[basis] + self.application[basis]
        return self.operations[basis] / whole if whole > 0 else None

    def sentence(self) -> str:
        """One line: what is missing of a recording that was cut, steps traced, seconds, energy explained, operation
        time with a layer, basis, what was refused."""
        parts = [self.cut] if self.cut else []
        if self.steps:
            parts.append(
                f"{self.traced_steps} of {self.steps} steps traced ({percent(self.traced_steps / self.steps)}, "
                f"{seconds(self.traced_s)} of {seconds(self.steps_s)})"
            )
        else:
            parts.append("no steps marked" if self.steps == 0 else "how many steps were traced is not told")
        for basis in (MEASURED, MODELLED):
            share = self.explained_share(basis)
            if share is not None:
                parts.append(f"operations hold {percent(share)} of the application's {basis} energy there")
        if self.layered_share is None:
            parts.append("no operations recorded")
        else:
            parts.append(f"{percent(self.layered_share)} of operation time has a layer")
        if self.modelled:
            parts.append("modelled")
        reasons: dict[str, list[str]] = {}
        for domain, reason in self.refused:
            reasons.setdefault(reason, []).append(domain)
        parts += [f"{', '.join(domains)} by equal share: {reason}" for reason, domains in reasons.items()]
        return "; ".join(parts)
