"""What ran, as `trace.json` tells it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Git:
    """Of what source code; `dirty`: tracked files differed from the commit, None where that is not known."""

    commit: str
    dirty: bool | None = None

    def __str__(self) -> str:
        changed = {True: ", with changes", False: ", unchanged", None: ", perhaps with changes"}
        return f"{self.commit[:12]}{changed[self.dirty]}"


@dataclass(frozen=True, slots=True)
class Program:
    """A command's words, without secrets, and the version of each Python package by name."""

    command: tuple[str, ...] = ()
    git: Git | None = None
    packages: Mapping[str, str] = field(default_factory=dict)
