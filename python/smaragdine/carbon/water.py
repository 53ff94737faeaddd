"""Water that power stations use for a country's electricity; what a site's own cooling uses is not in it."""

from __future__ import annotations

from dataclasses import dataclass

from smaragdine.carbon.table import packaged


@dataclass(frozen=True, slots=True)
class Water:
    l_per_kwh: float
    source: str
    year: int

    @classmethod
    def of(cls, country: str) -> Water | None:
        """None where the table has no figure of the country's own."""
        for row in packaged("water"):
            if country and row["place"] == country:
                return cls(float(row["l_per_kwh"]), row["source"], int(row["year"]))
        return None
