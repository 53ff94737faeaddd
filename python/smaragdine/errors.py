"""Errors say what failed, and a hint what to do."""

from __future__ import annotations


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
