"""How much of what a whole drew the counted domains explain: a node, of which they are parts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from smaragdine.trace.trace import Trace

# Domains that hold whatever is counted where they are; they are never counted themselves.
WHOLES = ("node",)


@dataclass(frozen=True)
class Explained:
    """What `domain` drew while its readings were known, and what all counted domains together drew meanwhile."""

    domain: str
    energy_j: float
    counted_j: float
    seconds: float
    partly: bool
    """A stretch in which one of the two is not known is left out of neither: the share is a rough one."""

    @property
    def share(self) -> float:
        return self.counted_j / self.energy_j

    def __str__(self) -> str:
        rough = "about " if self.partly else ""
        return (
            f"{self.domain} drew {self.energy_j:.1f} J in {self.seconds:.1f} s; the counted domains explain "
            f"{rough}{100 * self.share:.1f} % of it"
        )


def explained(trace: Trace) -> tuple[Explained, ...]:
    """Of every whole that was read; energy of readings is spread evenly over each."""
    counted = {domain.name for domain in trace.metadata.counted}
    gaps = {gap["domain"] for gap in trace.metadata.raw.get("gaps", [])}
    found = []
    for whole in trace.metadata.domains:
        if whole.name not in WHOLES or whole.counted:
            continue
        rows = trace.rows(
            "with whole as (select min(start_ns) since, max(end_ns) until, sum(energy_j) energy_j from readings "
            "where domain = ?) select any_value(whole.energy_j), any_value(until - since), sum(readings.energy_j * "
            "greatest(0, least(end_ns, until) - greatest(start_ns, since)) / greatest(1, end_ns - start_ns)) "
            "from readings, whole where list_contains(?, domain)",
            whole.name,
            sorted(counted),
        )
        energy_j, length_ns, counted_j = rows[0] if rows else (None, None, None)
        if energy_j and counted_j is not None:
            partly = bool(gaps & {whole.name, *counted})
            found.append(Explained(whole.name, energy_j, counted_j, length_ns * 1e-9, partly))
    return tuple(found)
