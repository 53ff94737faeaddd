"""The errors of this room: what was asked for makes no sense, or there is nothing that could be stated."""

from __future__ import annotations

from smaragdine.errors import NotMeasuredError, UsageError


def unusable(message: str, hint: str | None = None) -> UsageError:
    """A region, a table or a number that makes no sense."""
    return UsageError(message, hint)


def unmeasured(message: str, hint: str) -> NotMeasuredError:
    """Nothing was measured of which anything could be stated."""
    return NotMeasuredError(message, hint)
