"""Errors say what failed, and a hint what to do. Their classes are kinds: the command line maps them to exit codes."""

from __future__ import annotations

from pathlib import Path


class SmaragdineError(Exception):
    """What went wrong, in words a user can act on.

    `message` says what failed, with its path or value; `hint` what to do about it, where that is known.
    """

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return self.message if self.hint is None else f"{self.message}\nhint: {self.hint}"


class UsageError(SmaragdineError):
    """What was asked for makes no sense, and only who asked can put it right: before a training, it is raised."""


class OccupiedError(UsageError):
    """OUTPUT holds something else than a trace."""


class TraceError(SmaragdineError):
    """What was named is no trace, or one that cannot be read as it is: damaged, incomplete, still being recorded."""


class NotMeasuredError(SmaragdineError):
    """Nothing was read, or nothing can be measured where it was required."""


class WrongHardware(SmaragdineError):  # noqa: N818  it is caught by name
    """This machine is not what a run was required to have."""


class BudgetReached(SmaragdineError):  # noqa: N818  it is caught by name
    """A run drew what its budget allows, and was to stop then."""


def damaged(directory: Path, problem: str) -> TraceError:
    """A trace that cannot be read."""
    return TraceError(
        f"the trace {directory} is damaged: {problem}",
        "copy it anew from where it came; `smaragdine recover OUTPUT` rebuilds one that a crash cut",
    )


def changed(directory: Path, file: str, problem: str) -> TraceError:
    """A trace that can be read, and is not as it was sealed."""
    return TraceError(
        f"the trace {directory} is damaged: {file} was changed: {problem}",
        f"copy it anew from where it came; if it was changed on purpose, `smaragdine account {directory}` takes it as "
        "it is, and seals it anew",
    )
