"""Numbers that somebody typed, or a file holds: what nothing can be is refused in words, and never becomes NaN."""

from __future__ import annotations

import math
from collections.abc import Iterable

from smaragdine.carbon.pue import Pue
from smaragdine.carbon.table import grams_per_kwh
from smaragdine.errors import UsageError

MOST_KWH = 1e9
MOST_W = 1e7
MOST_FLOPS = 1e20
MOST_QUANTITY = 1e7
MOST_S = 1e10


def positive(value: object, what: str, most: float, unit: str = "") -> float:
    """Above 0 and at most `most`; raises UsageError with what it was."""
    number = _number(value, what)
    if not 0 < number <= most:
        raise UsageError(f"{what} is {number:g}{unit}", f"it is above 0 and at most {most:g}{unit}")
    return number


def amount(value: object, what: str, most: float, unit: str = "") -> float:
    """As `positive`, and 0."""
    number = _number(value, what)
    if not 0 <= number <= most:
        raise UsageError(f"{what} is {number:g}{unit}", f"it is at least 0 and at most {most:g}{unit}")
    return number


def between(value: object, what: str, most: float, unit: str = "") -> float:
    """Of either sign, at most `most` away from 0."""
    number = _number(value, what)
    if abs(number) > most:
        raise UsageError(f"{what} is {number:g}{unit}", f"it is at most {most:g}{unit} either way")
    return number


def _number(value: object, what: str) -> float:
    # A numpy scalar is a number as well; a boolean, to Python, too.
    if isinstance(value, (bool, str, bytes)) or not hasattr(value, "__float__"):
        raise UsageError(f"{what} is {value!r}, and no number")
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        raise UsageError(f"{what} is no number that can be counted with") from None
    if not math.isfinite(number):
        raise UsageError(f"{what} is {number:g}", "it was not measured, or something was divided by nothing")
    return number


def pue(value: object) -> float:
    """From 1 to 10, as `carbon.pue` has it."""
    return Pue.of(_number(value, "the PUE")).factor


def intensity(value: object) -> float:
    """Grams per kilowatt-hour that electricity can have."""
    return grams_per_kwh(repr(_number(value, "the carbon intensity")), "the carbon intensity")


def total(values: Iterable[float]) -> float:
    """A sum that does not depend on the order of what is added."""
    return math.fsum(values)
