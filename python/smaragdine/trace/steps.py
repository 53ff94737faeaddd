"""Steps of a trace, in which a program trained, evaluated or predicted."""

from __future__ import annotations

from dataclasses import dataclass

from smaragdine.trace.tables import Tables


@dataclass(frozen=True, slots=True)
class Step:
    """One training, evaluation or prediction step."""

    step: int
    epoch: int
    start_ns: int
    end_ns: int
    traced: bool
    samples: int | None
    energy_j: dict[str, float]
    """Joules of the application by counted domain."""
    metrics: dict[str, float]

    @property
    def duration_s(self) -> float:
        return (self.end_ns - self.start_ns) / 1e9


def steps_of(tables: Tables) -> list[Step]:
    """In order of time."""
    rows = tables.rows(
        "select step, epoch, start_ns, end_ns, traced, samples, energy_j, metrics from steps order by start_ns, step"
    )
    return [
        Step(step, epoch, start_ns, end_ns, traced, samples, _without_nulls(energy_j), _without_nulls(metrics))
        for step, epoch, start_ns, end_ns, traced, samples, energy_j, metrics in rows
    ]


def _without_nulls(values: dict[str, float | None] | None) -> dict[str, float]:
    return {name: value for name, value in (values or {}).items() if value is not None}
