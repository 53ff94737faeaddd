"""How much of what a whole drew the counted domains explain: a node, or whatever comes through the machine's plug."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from smaragdine.trace.trace import Trace

# Domains that hold whatever is counted where they are; they are never counted themselves.
WHOLES = ("node",)
# So do meters outside the machine, whatever they are called.
OUTSIDE = "meter"
# In SQL: what of a reading lies between `since` and `until`, in joules; its energy is spread evenly over it.
WITHIN_J = (
    "readings.energy_j * greatest(0, least(end_ns, until) - greatest(start_ns, since)) / greatest(1, end_ns - start_ns)"
)


@dataclass(frozen=True)
class Explained:
    """What `domain` drew while its readings were known, and what all counted domains together drew meanwhile."""

    domain: str
    energy_j: float
    counted_j: float
    seconds: float
    partly: bool
    """A stretch in which one of the two is not known is left out of neither: the share is a rough one."""
    refresh_s: float | None = None
    """Of a meter outside the machine, how far apart its values are in the mean, at most: the trace merges those of a
    second."""

    @property
    def share(self) -> float:
        return self.counted_j / self.energy_j

    @property
    def share_error(self) -> float | None:
        """How far the share may be off because the meter is slow; None of a node, whose values have stamps.

        A value is up to a refresh old, at the start as at the end, so that the energy between them may be that of a
        time as long, and by so much earlier: at most the mean power over one refresh more or less. How exact the
        meter itself is comes on top.
        """
        return None if self.refresh_s is None else self.share * self.refresh_s / self.seconds

    def __str__(self) -> str:
        rough = "about " if self.partly else ""
        told = (
            f"{self.domain} drew {self.energy_j:.1f} J in {self.seconds:.1f} s; the counted domains explain "
            f"{rough}{100 * self.share:.1f} % of it"
        )
        if self.share_error is None:
            return told
        return f"{told}, ± {100 * self.share_error:.1f} % for values up to {self.refresh_s:.2g} s old"


def explained(trace: Trace) -> tuple[Explained, ...]:
    """Of every whole that was read; energy of readings is spread evenly over each."""
    counted = {domain.name for domain in trace.metadata.counted}
    gaps = {gap["domain"] for gap in trace.metadata.raw.get("gaps", [])}
    found = []
    for whole in trace.metadata.domains:
        outside = whole.source == OUTSIDE
        if whole.counted or not (outside or whole.name in WHOLES):
            continue
        rows = trace.rows(
            # A value of a slow meter may have begun before the recording did.
            "with parts as (select min(start_ns) first_ns, max(end_ns) last_ns from readings "
            "where list_contains(?, domain)), "
            "whole as (select min(start_ns) since, max(end_ns) until, sum(energy_j) energy_j, count(*) values "
            "from readings, parts where domain = ? and start_ns >= first_ns and end_ns <= last_ns) "
            "select any_value(whole.energy_j), any_value(until - since), any_value(whole.values), "
            f"sum({WITHIN_J}) from readings, whole where list_contains(?, domain)",
            sorted(counted),
            whole.name,
            sorted(counted),
        )
        energy_j, length_ns, values, counted_j = rows[0] if rows else (None, None, None, None)
        if energy_j and counted_j is not None:
            partly = bool(gaps & {whole.name, *counted})
            refresh_s = length_ns * 1e-9 / values if outside else None
            found.append(Explained(whole.name, energy_j, counted_j, length_ns * 1e-9, partly, refresh_s))
    return tuple(found)
