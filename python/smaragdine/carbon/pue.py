"""Power usage effectiveness: what a site draws for each kilowatt-hour that its computers draw."""

from __future__ import annotations

import math
from dataclasses import dataclass

from smaragdine.carbon.digits import MOST, significant
from smaragdine.carbon.table import packaged
from smaragdine.errors import UsageError

# Nothing draws less than its computers; beyond this somebody meant percent.
_MOST = 10.0
HINT = (
    "a PUE of 1.0 leaves out cooling and power conversion: give the site's own with --pue, or a published one "
    "by name ({names})"
)


@dataclass(frozen=True, slots=True)
class Pue:
    """A factor, and where it comes from."""

    factor: float
    source: str
    assumed: bool = False
    """Nobody said it."""

    @property
    def digits(self) -> int:
        """Significant digits that a product with it has; 1.0 multiplies nothing, and nobody writes fewer than two."""
        return MOST if self.factor == 1 else max(2, significant(f"{self.factor:g}"))

    @classmethod
    def of(cls, told: float | str | Pue | None) -> Pue:
        """A number of the user's, the name of a published one, or 1.0 where nothing is told.

        Raises SmaragdineError for what is neither.
        """
        if isinstance(told, Pue):
            return told
        if told is None:
            return cls(1.0, "not told: the computers alone", assumed=True)
        if isinstance(told, str):
            for row in packaged("pue"):
                if row["name"] == told.strip().casefold():
                    return cls(float(row["pue"]), f"{row['name']}: {row['source']} ({row['year']})")
        try:
            factor = float(told)
        except ValueError:
            factor = math.nan
        if not 1 <= factor <= _MOST:
            hint = f"it is a number from 1 to {_MOST:g}, or one of {', '.join(names())}"
            raise UsageError(f"{told!r} is no PUE", hint)
        return cls(factor, "as told")


def names() -> tuple[str, ...]:
    """What published factors are called."""
    return tuple(row["name"] for row in packaged("pue"))


def hint() -> str:
    return HINT.format(names=", ".join(names()))
