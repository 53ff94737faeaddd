"""Joules, watts, seconds and shares, written for people: three significant digits and an SI prefix."""

from __future__ import annotations

import math

_PREFIXES = ((1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""), (1e-3, "m"), (1e-6, "µ"), (1e-9, "n"))


def si(value: float | None, unit: str) -> str:
    """`1.23 kJ`; `–` where the value is unknown. Rounds before it chooses the prefix, so 999.9 J is `1.00 kJ`."""
    if value is None or not math.isfinite(value):
        return "–"
    if value == 0:
        return f"0 {unit}"
    rounded = float(f"{value:.3g}")
    scale, prefix = next(((s, p) for s, p in _PREFIXES if abs(rounded) >= s), _PREFIXES[-1])
    return f"{_three_digits(rounded / scale)} {prefix}{unit}"


def joules(value: float | None) -> str:
    return si(value, "J")


def watts(value: float | None) -> str:
    return si(value, "W")


def seconds(value: float | None) -> str:
    """SI below a minute, then minutes and hours: people do not read kiloseconds."""
    if value is None or not math.isfinite(value) or abs(value) < 60:
        return si(value, "s")
    minutes, rest = divmod(round(value), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"


def percent(share: float | None) -> str:
    """A fraction as a percentage: `40.7 %`; two decimals, as the diagrams of the field print them, below 10 %."""
    if share is None or not math.isfinite(share):
        return "–"
    value = 100 * share
    if 99.95 <= value < 100:
        return ">99.9 %"  # what is not all must not read as all
    return f"{value:.1f} %" if abs(value) >= 9.995 else f"{value:.2f} %"


def number(value: float | None) -> str:
    """A count: whole where it is whole, grouped by thousands."""
    if value is None or not math.isfinite(value):
        return "–"
    return f"{round(value):,}" if abs(value - round(value)) < 1e-9 else _three_digits(value)


def _three_digits(value: float) -> str:
    magnitude = math.floor(math.log10(abs(value))) if value else 0
    return f"{value:,.{max(0, 2 - magnitude)}f}"
