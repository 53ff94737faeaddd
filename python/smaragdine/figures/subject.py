"""What a figure may be drawn of: a trace, its footprint or diagram, or several runs of the same thing."""

from __future__ import annotations

from typing import TypeAlias

from smaragdine.accounts.edd import EDD
from smaragdine.accounts.footprint import Footprints
from smaragdine.errors import UsageError
from smaragdine.trace.trace import Recorded, Trace

Subject: TypeAlias = Recorded | Footprints


def numbers(subject: Subject) -> Footprints:
    """The footprint of what is drawn."""
    return subject.footprint() if isinstance(subject, Recorded) else subject


def diagram(subject: Subject | EDD, phase: str | None = None) -> EDD:
    """The EDD of one pass or all; one that is given stays as it is. A footprint alone has no arrows."""
    if isinstance(subject, EDD):
        return subject
    if isinstance(subject, Recorded):
        return subject.edd(phase)
    return EDD.of(subject, phase)


def traces(subject: Recorded) -> tuple[Trace, ...]:
    """Raises SmaragdineError where readings or steps are asked of what has none."""
    if isinstance(subject, Recorded):
        return subject.traces
    raise UsageError(f"a {type(subject).__name__} has no readings or steps", "give the trace itself")
