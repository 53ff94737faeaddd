"""What a figure may be drawn of: a trace, its footprint or diagram, or several runs of the same thing."""

from __future__ import annotations

from typing import TypeAlias

from smaragdine.accounts.edd import EDD
from smaragdine.accounts.footprint import Footprint
from smaragdine.errors import SmaragdineError
from smaragdine.trace.runs import Runs, RunsFootprint
from smaragdine.trace.trace import Trace

Numbers: TypeAlias = Footprint | RunsFootprint
Subject: TypeAlias = Trace | Runs | Numbers


def numbers(subject: Subject) -> Numbers:
    """The footprint; of a single run a plain one, with its interval in place of a deviation."""
    footprint = subject.footprint() if isinstance(subject, Trace | Runs) else subject
    return footprint.footprints[0] if len(footprint.footprints) == 1 else footprint


def diagram(subject: Subject | EDD, phase: str | None = None) -> EDD:
    """The EDD of one pass or all; one that is given stays as it is. A footprint alone has no arrows."""
    if isinstance(subject, EDD):
        return subject
    if isinstance(subject, Trace | Runs):
        return subject.edd(phase)
    return EDD.mean(subject.footprints, phase)


def traces(subject: Trace | Runs) -> tuple[Trace, ...]:
    """Raises SmaragdineError where readings or steps are asked of what has none."""
    if isinstance(subject, Runs):
        return subject.traces
    if isinstance(subject, Trace):
        return (subject,)
    raise SmaragdineError(f"a {type(subject).__name__} has no readings or steps", "give the trace itself", exit_code=2)
