"""Stretches of a trace that the program named itself, with the energy of the application within them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from smaragdine.accounts.domain import Domain
from smaragdine.accounts.energy import Energy
from smaragdine.trace.readings import Readings
from smaragdine.trace.tables import Tables

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class NamedSpan:
    """A `prefill`, a `decode`, a pause. Spans may nest and overlap, so their energies do not add up to a whole."""

    span: int
    name: str
    parent: int | None
    """Number of the span around it."""
    start_ns: int
    end_ns: int
    tokens: int | None
    requests: int | None
    energy_j: dict[str, float]
    """Joules of the application by counted domain, of as much of the span as is known."""
    energy: Energy
    """Their sum by basis."""

    @property
    def duration_s(self) -> float:
        return (self.end_ns - self.start_ns) / 1e9

    def per_token(self, basis: str) -> float | None:
        """Joules per token: all tokens of the span count alike, of whichever request. None where they are unknown."""
        return self.energy[basis] / self.tokens if self.tokens else None

    def per_request(self, basis: str) -> float | None:
        """Joules per request: those that are served together share alike. None where they are unknown."""
        return self.energy[basis] / self.requests if self.requests else None


def spans_of(tables: Tables, domains: tuple[Domain, ...], readings: Mapping[str, Readings]) -> list[NamedSpan]:
    """In order of their start."""
    rows = tables.rows("select span, name, parent, start_ns, end_ns, tokens, requests from spans order by span")
    counted = [domain for domain in domains if domain.counted and domain.name in readings]
    starts = np.array([row[3] for row in rows], dtype=np.int64)
    ends = np.array([row[4] for row in rows], dtype=np.int64)
    within = {domain.name: _energy_j(readings[domain.name], starts, ends) for domain in counted}
    spans = []
    for index, (span, name, parent, start_ns, end_ns, tokens, requests) in enumerate(rows):
        energy_j = {domain: float(of[index]) for domain, of in within.items()}
        energy = Energy.total((domain.basis, energy_j[domain.name]) for domain in counted)
        spans.append(NamedSpan(span, name, parent, start_ns, end_ns, tokens, requests, energy_j, energy))
    return spans


def _energy_j(readings: Readings, start_ns: NDArray[np.int64], end_ns: NDArray[np.int64]) -> NDArray[np.float64]:
    """The application's joules from each start to its end; a reading's are spread over its interval."""
    known = ~readings.gap & np.isfinite(readings.app_share) & (readings.end_ns > readings.start_ns)
    from_ns, until_ns = readings.start_ns[known], readings.end_ns[known]
    joules = readings.energy_j[known] * readings.app_share[known]
    before = np.concatenate([[0.0], np.cumsum(joules)])

    def until(instants: NDArray[np.int64]) -> NDArray[np.float64]:
        """Joules of all before each instant: readings of one domain do not overlap."""
        index = np.searchsorted(until_ns, instants, side="right")
        inside = np.zeros(len(instants))
        part = index < len(joules)
        at = index[part]
        covered = np.clip(instants[part] - from_ns[at], 0, None) / (until_ns[at] - from_ns[at])
        inside[part] = joules[at] * covered
        return before[index] + inside

    return until(end_ns) - until(start_ns)
