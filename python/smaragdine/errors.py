"""Errors say what failed, and a hint what to do."""

from __future__ import annotations

from pathlib import Path


class SmaragdineError(Exception):
    """What went wrong, in words a user can act on.

    `message` says what failed, with its path or value; `hint` what to do about it, where that is known;
    `exit_code` is what the command line ends with (1, 2 where a trace or an argument makes no sense, 3 where nothing
    can be measured).
    """

    def __init__(self, message: str, hint: str | None = None, exit_code: int = 1) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.exit_code = exit_code

    def __str__(self) -> str:
        return self.message if self.hint is None else f"{self.message}\nhint: {self.hint}"


class UsageError(SmaragdineError):
    """What was asked for makes no sense, and only who asked can put it right: raised before any training starts."""


def damaged(directory: Path, problem: str) -> SmaragdineError:
    """A trace that cannot be read; a command ends with exit code 2."""
    return SmaragdineError(
        f"the trace {directory} is damaged: {problem}",
        "copy it anew from where it came; `smaragdine recover OUTPUT` rebuilds one that a crash cut",
        exit_code=2,
    )


def changed(directory: Path, file: str, problem: str) -> SmaragdineError:
    """A trace that can be read, and is not as it was sealed; a command ends with exit code 2."""
    return SmaragdineError(
        f"the trace {directory} is damaged: {file} was changed: {problem}",
        f"copy it anew from where it came; if it was changed on purpose, `smaragdine account {directory}` takes it as "
        "it is, and seals it anew",
        exit_code=2,
    )
