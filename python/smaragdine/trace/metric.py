"""A metric by its name, as `trace.json` tells of those that its recording sampled."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Metric:
    """What one metric of the table is; `problem`: why it could not be sampled, None where it was."""

    name: str
    unit: str = ""
    problem: str | None = None
