"""Several traces of the same thing, with mean and standard deviation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from smaragdine.accounts.footprint import RunsFootprint
from smaragdine.errors import UsageError
from smaragdine.trace.trace import Recorded, Trace


@dataclass(frozen=True, slots=True, repr=False)
class Runs(Recorded):
    """Traces of the same thing, in the order given."""

    traces: tuple[Trace, ...]

    @classmethod
    def open(cls, *paths: str | Path) -> Runs:
        """Raises SmaragdineError where no path is given, or one is not a trace."""
        if not paths:
            raise UsageError("no trace is named", "name the directories that the recordings wrote")
        return cls(tuple(Trace.open(path) for path in paths))

    def __iter__(self) -> Iterator[Trace]:
        return iter(self.traces)

    def __len__(self) -> int:
        return len(self.traces)

    def footprint(self, policy: str = "equal", *, scope: str = "traced", per: str = "run") -> RunsFootprint:
        """Means over the runs, with deviations; see `Trace.footprint`."""
        return RunsFootprint(tuple(trace.footprint(policy, scope=scope, per=per) for trace in self.traces))
