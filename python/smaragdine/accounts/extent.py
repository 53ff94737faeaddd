"""From when to when a recording measured, and whether that is all of its program's run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from smaragdine.accounts.quantity import seconds


@dataclass(frozen=True, slots=True)
class Extent:
    """As `trace.json` tells it, in nanoseconds of trace time."""

    state: str
    start_ns: int
    end_ns: int | None = None
    program_end_ns: int | None = None

    @classmethod
    def of_fields(cls, fields: Mapping[str, Any]) -> Extent | None:
        """Of a `trace.json` that has just been written; None where it does not tell."""
        state, start_ns = fields.get("state"), fields.get("start_ns")
        ends = [fields.get(name) for name in ("end_ns", "program_end_ns")]
        if not isinstance(state, str) or not isinstance(start_ns, int):
            return None
        return cls(state, start_ns, *(end if isinstance(end, int) else None for end in ends))

    @property
    def duration_s(self) -> float | None:
        """Wall-clock seconds of the recording; None while it has no end."""
        return None if self.end_ns is None else (self.end_ns - self.start_ns) / 1e9

    @property
    def program_s(self) -> float | None:
        """Seconds that the program ran for; None where a recording was cut, and how long it went on is not known."""
        duration_s = self.duration_s
        if self.state != "cut" or duration_s is None:
            return duration_s
        if self.program_end_ns is None:
            return None
        return max(duration_s, (self.program_end_ns - self.start_ns) / 1e9)

    @property
    def cut(self) -> str | None:
        """That the recording was cut, and how much of the run is missing; None where its program ended it."""
        if self.state != "cut":
            return None
        duration_s, program_s = self.duration_s, self.program_s
        if duration_s is None:
            return "cut: the recording did not end, and how long it lasted is not known"
        if program_s is None:
            return f"cut: {seconds(duration_s)} were recorded; how long the program went on, unmeasured, is not known"
        if program_s <= duration_s:
            return "cut: the program ended without ending its recording; up to there nothing is missing"
        return (
            f"cut: the last {seconds(program_s - duration_s)} of {seconds(program_s)} are missing: nobody measured them"
        )
