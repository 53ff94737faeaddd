"""The errors of this room: what was asked for makes no sense, or there is nothing that could be stated."""

from __future__ import annotations

from smaragdine.errors import SmaragdineError, UsageError


def unusable(message: str, hint: str | None = None) -> UsageError:
    """A region, a table or a number that makes no sense; a command ends with exit code 2."""
    return UsageError(message, hint, exit_code=2)


def unmeasured(message: str, hint: str) -> SmaragdineError:
    """Nothing was measured of which anything could be stated; a command ends with exit code 3."""
    return SmaragdineError(message, hint, exit_code=3)
