"""A claim, what was found here, and the verdict, which follows from both."""

from __future__ import annotations

from dataclasses import dataclass

from smaragdine.accounts.energy import MEASURED as MEASURED
from smaragdine.accounts.energy import MODELLED as MODELLED

HOLDS, DIFFERS, NOT_TESTABLE = "holds", "differs", "not testable here"

WAVEFORM, POWERS = "known waveform", "known powers"

# On what a claim can be tested. Modelled power follows time, so it says nothing of what spends energy; registers that
# follow a waveform of our own say nothing of it either, but of the method. Time is always measured.
_TESTS = {
    "energy": {MEASURED},
    "method": {MEASURED, WAVEFORM, POWERS},
    "time": {MEASURED},
}


@dataclass(frozen=True)
class Claim:
    """What somebody said: `source` where, `published` with which numbers, `about` energy, method or time."""

    text: str
    source: str
    published: str
    about: str = "energy"

    def found(self, here: str, basis: str, holds: bool | None) -> Finding:
        """`basis`: of the recording's energy. `holds`: whether the numbers here agree; None where there are none."""
        if self.about == "time":
            basis = MEASURED
        told = verdict(self.about, basis, holds)
        return Finding(self.text, self.source, self.about, self.published, here, basis, told)


@dataclass(frozen=True)
class Finding:
    """A row of the table."""

    claim: str
    source: str
    about: str
    published: str
    here: str
    basis: str
    verdict: str


def verdict(about: str, basis: str, holds: bool | None) -> str:
    if holds is None or basis not in _TESTS[about]:
        return NOT_TESTABLE
    return HOLDS if holds else DIFFERS
