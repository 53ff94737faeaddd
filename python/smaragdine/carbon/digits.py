"""Numbers with no more digits than their data carry."""

from __future__ import annotations

import math

MOST = 4


def significant(text: str) -> int:
    """Significant digits of a number as it was written: `208` has three, `0.050` two, `2e3` one."""
    mantissa = text.strip().lower().partition("e")[0].lstrip("+-")
    digits = mantissa.replace(".", "").lstrip("0")
    return max(1, len(digits))


def rounded(value: float, digits: int) -> str:
    """The value in so many significant digits, without an exponent: `0.0123`, `12,300`."""
    if not math.isfinite(value):
        return "–"
    if value == 0:
        return "0"
    magnitude = math.floor(math.log10(abs(float(f"{value:.{digits - 1}e}"))))
    places = digits - 1 - magnitude
    return f"{round(value, places):,.{max(0, places)}f}"


def grams(value: float, digits: int) -> str:
    """Grams in the unit that people read: mg, g, kg, t."""
    for scale, unit in ((1e6, "t"), (1e3, "kg"), (1.0, "g")):
        if abs(float(f"{value:.{digits - 1}e}")) >= scale:
            return f"{rounded(value / scale, digits)} {unit}"
    return f"{rounded(value * 1e3, digits)} mg" if value else "0 g"


def dollars(value: float) -> str:
    """`$0.38`; never `-$0.00`."""
    amount = round(value, 2) + 0.0
    return f"-${-amount:,.2f}" if amount < 0 else f"${amount:,.2f}"
