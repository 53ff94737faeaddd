"""What a recording's counted domains drew so far, and how much of it was the application's: by basis, at one time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from smaragdine.accounts.energy import MEASURED
from smaragdine.daemon.client import Live

# What nobody can tell whose it is may be so much of the whole before the application's part is no longer known.
_NEGLIGIBLE = 0.01


class Part(NamedTuple):
    """Joules of one basis."""

    machine_j: float = 0.0
    application_j: float = 0.0
    unknown_j: float = 0.0
    """Of `machine_j`: nobody can tell whose it is. None of it is in `application_j`."""

    @property
    def shared(self) -> bool:
        """Whether the application's part is known, but for a hundredth at most."""
        return self.unknown_j <= _NEGLIGIBLE * self.machine_j

    def __sub__(self, earlier: Part) -> Part:
        return Part(*(now - before for now, before in zip(self, earlier, strict=True)))


class Spent(NamedTuple):
    """Energy from the recording's start until `until_ns`, of CLOCK_MONOTONIC. There is no sum over both bases."""

    until_ns: int
    parts: Mapping[str, Part]

    @classmethod
    def of(cls, live: Live) -> Spent | None:
        """None where nothing is settled yet."""
        if not live.settled_ns:
            return None
        bases = {domain.name: domain.basis for domain in live.domains}
        sums: dict[str, list[float]] = {}
        for domain, machine_j in live.settled_j.items():
            of = sums.setdefault(bases.get(domain, MEASURED), [0.0, 0.0, 0.0])
            of[0] += machine_j
            of[1] += live.application_j.get(domain, 0.0)
            of[2] += live.unknown_j.get(domain, 0.0)
        return cls(live.settled_ns - live.realtime_offset_ns, {basis: Part(*of) for basis, of in sums.items()})

    def part(self, basis: str) -> Part:
        return self.parts.get(basis, Part())

    def towards(self, later: Spent, at_ns: int) -> Spent:
        """In between, as if power had been constant."""
        share = (at_ns - self.until_ns) / (later.until_ns - self.until_ns)
        between = {}
        for basis, part in later.parts.items():
            before = self.part(basis)
            between[basis] = Part(*(a + share * (b - a) for a, b in zip(before, part, strict=True)))
        return Spent(at_ns, between)
