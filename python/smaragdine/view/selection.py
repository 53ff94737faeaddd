"""What the page shows of its runs: chosen once, for every tab."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, TypeVar

from smaragdine.accounts.footprint import Footprints

_F = TypeVar("_F", bound=Footprints)

ALL = -1
"""The mean of all runs."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Empty words: of all."""

    subject: int = 0
    """Which of the runs, or `ALL`."""
    phase: str = ""
    device: str = ""
    basis: str = ""
    policy: str = "equal"
    folded: str = ""
    """Not empty: self-similar layers as one."""
    scale: str = "energy"

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Selection:
        """As the page keeps it."""
        first = cls()
        return cls(**{one.name: told.get(one.name) or getattr(first, one.name) for one in fields(cls)})

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def kept(self, footprints: _F) -> _F:
        """The rows of these passes, devices and bases."""
        if self.phase:
            footprints = footprints.phase(self.phase)
        if self.device:
            footprints = footprints.device(self.device)
        return footprints.basis(self.basis) if self.basis else footprints

    @property
    def words(self) -> str:
        """What is left out of a comparison, in words; empty where nothing is."""
        return ", ".join(filter(None, (self.phase and f"{self.phase} pass", self.device, self.basis)))
