"""One carbon intensity: grams of CO2 equivalent per kilowatt-hour of a place's electricity, and its source."""

from __future__ import annotations

from dataclasses import dataclass

DIRECT = "direct"
LIFECYCLE = "lifecycle"
SCOPES = (LIFECYCLE, DIRECT)
METHODS = ("average", "marginal")

MEANINGS = {
    DIRECT: "what power stations emit while they burn",
    LIFECYCLE: "building, fuel and disposal included",
}


@dataclass(frozen=True, slots=True)
class Intensity:
    """A row of a table. `scope` tells what is counted, `method` whose electricity: the mean or the next kilowatt-hour.

    Direct and lifecycle figures of one place differ by what is counted, so they are never compared silently.
    """

    place: str
    """`US-CA`, `EST`, `CA-QC`, `gcp:us-central1`."""
    kind: str
    """`state`, `country`, `zone`, `province`, `cloud`, `generation`, `own`."""
    name: str
    country: str
    """ISO 3166 alpha-3; empty where it is not known."""
    year: int
    """0 where a user's own figure names none."""
    method: str
    scope: str
    g_per_kwh: float
    low: float | None
    """What the source gives as the least, and as the most; None where it gives no range."""
    high: float | None
    source: str
    licence: str
    digits: int = 3
    """Significant digits that the source gives."""

    @property
    def origin(self) -> str:
        """`average of 2025, lifecycle; Electricity Maps … (ODbL-1.0)`."""
        licence = f" ({self.licence})" if self.licence else ""
        when = f" of {self.year}" if self.year else ""
        return f"{self.method}{when}, {self.scope}; {self.source}{licence}"
