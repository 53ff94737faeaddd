"""Which runs are of the same thing: those that share labels, a part of their path, or a name."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from smaragdine.errors import UsageError

_NUMBER = re.compile(r"\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")


@dataclass(frozen=True, slots=True)
class Alike:
    """By labels, by a pattern, or, where neither is told, by name."""

    labels: tuple[str, ...] = ()
    pattern: re.Pattern[str] | None = None

    @classmethod
    def by(cls, labels: Sequence[str] = (), pattern: str | None = None) -> Alike:
        """`pattern` is looked for in the path, then in the name; its named groups tell the group.

        Raises UsageError where both are told, and for a pattern that is none or has no named group.
        """
        if pattern is None:
            return cls(tuple(labels))
        if labels:
            raise UsageError("runs are grouped by labels or by a pattern, not by both")
        try:
            compiled = re.compile(pattern)
        except re.error as error:
            raise UsageError(f"the pattern {pattern!r} is no regular expression: {error}") from None
        if not compiled.groupindex:
            raise UsageError(f"the pattern {pattern!r} names no group", "write one, as in 'lr(?P<lr>[0-9.]+)'")
        return cls(pattern=compiled)

    def name(self, labels: Mapping[str, str], name: str, path: str) -> str:
        """The group of a run: `lr 0.1, batch 8`."""
        if self.labels:
            if not any(labels.get(label) for label in self.labels):
                return f"no label {', '.join(self.labels)}"
            return ", ".join(f"{label} {labels.get(label) or '–'}" for label in self.labels)
        if self.pattern is None:
            return name
        match = self.pattern.search(path) or self.pattern.search(name)
        if match is None:
            return "no match"
        told = {part: value for part, value in match.groupdict().items() if value}
        return ", ".join(f"{part} {told.get(part) or '–'}" for part in self.pattern.groupindex)

    @property
    def words(self) -> str:
        """How they are grouped, after `grouped by`."""
        if self.labels:
            return f"the label{'s' if len(self.labels) > 1 else ''} {', '.join(self.labels)}"
        return "name" if self.pattern is None else "a pattern over their paths and names"


def in_order(name: str) -> tuple[tuple[tuple[int, float, str], ...], str]:
    """A key that sorts names as people do: numbers in them by what they are worth."""
    parts: list[tuple[int, float, str]] = []
    at = 0
    for match in _NUMBER.finditer(name):
        parts += [(1, 0.0, name[at : match.start()]), (0, float(match[0]), "")]
        at = match.end()
    return (*parts, (1, 0.0, name[at:])), name
