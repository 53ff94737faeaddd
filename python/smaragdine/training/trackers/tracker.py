"""What an experiment tracker is to us: a run of it that is active, which takes the totals of a recording."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, NamedTuple, Protocol

from smaragdine.training.spending import Row

if TYPE_CHECKING:
    from typing_extensions import Self


class Result(NamedTuple):
    """What a recording came to."""

    trace: Path
    metrics: Mapping[str, float]
    """By the names of a statement's JSON."""
    tags: Mapping[str, str]
    rows: Sequence[Row] = ()
    """What was told at the end of each epoch."""
    report: Path | None = None
    """An HTML file, there as long as it is being told; None where it could not be written, or is too large."""


class Tracker(Protocol):
    """One active run."""

    @classmethod
    def active(cls, module: ModuleType) -> Self | None:
        """The run of the tracker's package, which the program has imported; None where none is active."""
        ...

    def tell(self, result: Result) -> None:
        """Sends it there. May raise whatever the package does."""
        ...
