"""The figures that the page draws below the diagram, by their names on it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import plotly.graph_objects as go

from smaragdine import figures
from smaragdine.figures import theme
from smaragdine.view.selection import Selection
from smaragdine.view.session import Session

_Draw = Callable[[Session, Selection, str], go.Figure]


def _ranking(kind: str) -> _Draw:
    return lambda session, shown, _: figures.ranking(session.footprint(shown), 15, kind=kind)


def _power(session: Session, shown: Selection, path: str) -> go.Figure:
    """One trace's power shades the layer that is open, where events tell when it ran."""
    runs = session.subject(shown.subject)
    layer = path.removeprefix("gradients/")
    shaded = [layer] if layer and len(runs) == 1 and len(runs.traces[0].spans(layer)) else []
    return figures.power(runs, shaded)


KINDS: dict[str, _Draw] = {
    "stef": _ranking("stef"),
    "tef": _ranking("tef"),
    "stpf": _ranking("stpf"),
    "layers": _ranking("stef-layers"),
    "phases": lambda session, shown, _: figures.phases(session.footprint(shown)),
    "power": _power,
    "steps": lambda session, shown, _: figures.steps(session.subject(shown.subject)),
    "cumulative": lambda session, shown, _: figures.cumulative(session.subject(shown.subject)),
    "progress": lambda session, shown, _: figures.progress(session.subject(shown.subject)),
    "scatter": lambda session, shown, _: figures.scatter(session.footprint(shown)),
    "ledger": lambda session, shown, _: figures.ledger(session.subject(shown.subject), policy=shown.policy),
    "similarity": lambda session, *_: figures.similarity(session.runs),
}
"""Of operations where they are what it draws: those that are selected."""


def draw(kind: str, session: Session, shown: Selection, path: str) -> go.Figure:
    """One figure of what is shown; `path` is the layer that is open, empty where none is."""
    return KINDS[kind](session, shown, path)


def as_shown(figure: go.Figure) -> dict[str, Any]:
    """For a page that has told a modelled trace's sentence at its top."""
    return theme.undressed(figure)
