"""The social cost of carbon of a country: what the damage of one more tonne costs there."""

from __future__ import annotations

from dataclasses import dataclass

from smaragdine.carbon.digits import dollars
from smaragdine.carbon.lookup import alpha2, default, folded
from smaragdine.carbon.table import packaged
from smaragdine.errors import UsageError

KG_PER_TONNE = 1000.0


@dataclass(frozen=True, slots=True)
class SocialCost:
    """US dollars of 2005 per tonne of CO2: median and 66 % interval. Negative where a country gains."""

    country: str
    name: str
    low: float
    median: float
    high: float
    source: str

    @classmethod
    def of(cls, country: str) -> SocialCost:
        """By name or ISO 3166 code; raises SmaragdineError where the study has no such country."""
        if cost := cls.known(country):
            return cost
        rows = packaged("social-cost")
        raise UsageError(
            f"the social cost of carbon is not known for {country!r}",
            f"{len(rows)} countries have one, by ISO 3166 code: {rows[0]['country']}, {rows[1]['country']}, …",
        )

    @classmethod
    def known(cls, country: str) -> SocialCost | None:
        wanted = folded(country)
        named = (*default().codes(country), alpha2().get(country.strip().upper(), "")) if wanted else ()
        codes = {wanted, *(folded(code) for code in named if code)}
        for row in packaged("social-cost"):
            if folded(row["country"]) in codes or folded(row["name"]) == wanted:
                low, median, high = (float(row[column]) for column in ("low", "median", "high"))
                return cls(row["country"], row["name"], low, median, high, row["source"])
        return None

    def of_kg(self, kg: float) -> tuple[float, float, float]:
        """Dollars of so much CO2: median, low, high."""
        tonnes = kg / KG_PER_TONNE
        return self.median * tonnes, self.low * tonnes, self.high * tonnes

    def sentence(self, kg: float) -> str:
        """`$0.38 ($0.00, $0.95)`."""
        median, low, high = map(dollars, self.of_kg(kg))
        return f"{median} ({low}, {high})"
