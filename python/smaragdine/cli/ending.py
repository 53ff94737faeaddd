"""The codes that commands end with."""

from __future__ import annotations

from smaragdine.errors import NotMeasuredError, OccupiedError, SmaragdineError, TraceError, UsageError

FAILED = 1
USAGE = 2
NOT_MEASURED = 3
NOT_EXECUTABLE = 126
NOT_FOUND = 127
INTERRUPTED = 130
BROKEN_PIPE = 141


class NotExecutableError(SmaragdineError):
    """The command to account cannot be executed."""


class NotFoundError(SmaragdineError):
    """There is no such command to account."""


# The first that fits.
_CODES: tuple[tuple[type[SmaragdineError], int], ...] = (
    (NotExecutableError, NOT_EXECUTABLE),
    (NotFoundError, NOT_FOUND),
    (NotMeasuredError, NOT_MEASURED),
    (OccupiedError, FAILED),
    (UsageError, USAGE),
    (TraceError, USAGE),
)


def exit_code(error: SmaragdineError) -> int:
    """2 where what was asked for or a trace makes no sense, 3 where nothing was read or measured, else 1."""
    return next((code for kind, code in _CODES if isinstance(error, kind)), FAILED)
