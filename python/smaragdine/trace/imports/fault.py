"""The error of this room: a log that cannot be read, or that no run can have left."""

from __future__ import annotations

from smaragdine.errors import UsageError


def unreadable(message: str, hint: str | None = None) -> UsageError:
    """A command ends with exit code 2."""
    return UsageError(message, hint)
