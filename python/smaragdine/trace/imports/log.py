"""`Log`: what another tool recorded of one run, in the form in which a trace holds it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Interval:
    """Energy of one component over one interval. `gap` names why it is not known; then its energy is 0."""

    start_ns: int
    end_ns: int
    energy_j: float
    """Of everything that ran there."""
    app_j: float
    """Of the run; at most `energy_j`."""
    gap: str | None = None


@dataclass(frozen=True, slots=True)
class Component:
    """A register, as the other tool had it."""

    name: str
    device: str
    basis: str
    intervals: tuple[Interval, ...]


@dataclass(frozen=True, slots=True)
class Log:
    """One run. `told` goes into `trace.json`, among its options, as `imported`: what the other tool computed or
    assumed, as its own."""

    name: str
    start_ns: int
    end_ns: int
    ended: bool
    """The tool saw the run end."""
    components: tuple[Component, ...]
    told: dict[str, Any]
    hardware: dict[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    metrics: tuple[tuple[int, str, float], ...] = ()
    """Time in nanoseconds, metric, value."""
