"""Readings of a trace: energy of one domain over one interval."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from smaragdine.trace.tables import Tables

if TYPE_CHECKING:
    from numpy.typing import NDArray

FLAGS = (
    "wrap", "failed", "missed", "reset", "ambiguous", "integrated", "merged", "utilisation", "lost", "suspended",
    "filtered", "impossible", "standing", "derived",
)  # fmt: skip
"""What is remarkable about a reading; docs/trace-format.md tells of each."""

# Those whose energy is not known.
DOUBTS = ("reset", "ambiguous", "lost", "suspended", "impossible", "standing")


@dataclass(frozen=True, slots=True)
class Readings:
    """Energy of one domain over consecutive intervals, in order of time. Arrays of equal length."""

    start_ns: NDArray[np.int64]
    end_ns: NDArray[np.int64]
    energy_j: NDArray[np.float64]
    app_share: NDArray[np.float64]
    """Fractions of each reading's energy; NaN where unknown, as in the following."""
    daemon_share: NDArray[np.float64]
    idle_share: NDArray[np.float64]
    gap: NDArray[np.bool_]
    """The energy of the interval is not known: its flags tell why."""

    @property
    def power_w(self) -> NDArray[np.float64]:
        """Mean power over each interval; NaN where an interval has no length or its energy is unknown."""
        length_s = (self.end_ns - self.start_ns) / 1e9
        known = (length_s > 0) & ~self.gap
        power = np.full(len(length_s), np.nan)
        power[known] = self.energy_j[known] / length_s[known]
        return power

    @property
    def total_j(self) -> float:
        return float(self.energy_j.sum())

    def __len__(self) -> int:
        return len(self.energy_j)


def readings_by_domain(tables: Tables, domains: Iterable[str]) -> dict[str, Readings]:
    """In the order of `domains`; those without any are left out."""
    rows = tables.rows(
        "select domain, start_ns, end_ns, energy_j, app_share, daemon_share, idle_share, "
        f"coalesce(list_has_any(flags, {list(DOUBTS)}), false) from readings "
        "order by domain, start_ns, end_ns"
    )
    by_domain: dict[str, list[tuple[Any, ...]]] = {}
    for domain, *rest in rows:
        by_domain.setdefault(domain, []).append(tuple(rest))
    order = {domain: index for index, domain in enumerate(domains)}
    return {
        domain: _columns(own)
        for domain, own in sorted(by_domain.items(), key=lambda item: order.get(item[0], len(order)))
    }


def _columns(rows: list[tuple[Any, ...]]) -> Readings:
    start_ns, end_ns, energy_j, *shares, gap = zip(*rows, strict=True)
    app, daemon, idle = (np.array([np.nan if one is None else one for one in share], np.float64) for share in shares)
    return Readings(
        start_ns=np.array(start_ns, dtype=np.int64),
        end_ns=np.array(end_ns, dtype=np.int64),
        energy_j=np.array(energy_j, dtype=np.float64),
        app_share=app,
        daemon_share=daemon,
        idle_share=idle,
        gap=np.array(gap, dtype=np.bool_),
    )
