"""The memory of a Grace, which no meter shows: what its cores, and its input and output, leave of the whole."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from smaragdine.trace.explained import WITHIN_J

if TYPE_CHECKING:
    from smaragdine.trace.trace import Trace

# As `hwmon` names what `power_meter` calls Grace, CPU and SysIO Power Socket N.
_WHOLE = re.compile(r"(?P<before>(?:.+/)?hwmon-power_meter-)grace(?P<after>-power-socket-(?P<socket>\d+))")
_PARTS = ("cpu", "sysio")


@dataclass(frozen=True)
class GraceMemory:
    """A difference of three meters, over the time in which all were read; it is within the Grace's own energy."""

    domain: str
    """The Grace's."""
    socket: int
    energy_j: float
    """Below 0 where the parts' meters told more than the Grace's: each is a mean over some 50 ms of its own."""
    seconds: float
    partly: bool
    """In a stretch in which one is not known, what it was told to be at least stands for it: a rough one."""

    def __str__(self) -> str:
        """One line of the ledger."""
        told = f"memory of Grace {self.socket}, a difference and no meter's, within {self.domain}"
        if self.energy_j < 0:
            return f"{told}: not known, its parts drew {-self.energy_j:.1f} J more than it in {self.seconds:.1f} s"
        rough = "about " if self.partly else ""
        return f"{told}: {rough}{self.energy_j:.1f} J in {self.seconds:.1f} s"


def memories(trace: Trace) -> tuple[GraceMemory, ...]:
    """Of every Grace whose parts are metered, too; energy of readings is spread evenly over each."""
    domains = {domain.name for domain in trace.metadata.domains}
    gaps = {gap["domain"] for gap in trace.metadata.raw.get("gaps", [])}
    found = []
    for name in sorted(domains):
        match = _WHOLE.fullmatch(name)
        parts = [f"{match['before']}{part}{match['after']}" for part in _PARTS] if match else []
        if match is None or not domains.issuperset(parts):
            continue
        names = [name, *parts]
        rows = trace.rows(
            "with spans as (select domain, min(start_ns) first_ns, max(end_ns) last_ns from readings "
            "where list_contains(?, domain) group by domain), "
            "common as (select max(first_ns) since, min(last_ns) until, count(*) domains from spans) "
            f"select any_value(until - since), sum(if(domain = ?, 1, -1) * {WITHIN_J}) "
            "from readings, common where list_contains(?, domain) and domains = 3 and until > since",
            names,
            name,
            names,
        )
        length_ns, energy_j = rows[0] if rows else (None, None)
        if length_ns:
            found.append(
                GraceMemory(name, int(match["socket"]), energy_j, length_ns * 1e-9, bool(gaps.intersection(names)))
            )
    return tuple(found)
