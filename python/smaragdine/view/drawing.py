"""The figures that the page draws below the diagram, by their names on it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import plotly.graph_objects as go

from smaragdine import figures
from smaragdine.figures import theme
from smaragdine.view.session import Session

_Draw = Callable[[Session, int, str], go.Figure]


def _ranking(kind: str) -> _Draw:
    return lambda session, chosen, _: figures.ranking(session.footprint(chosen), 15, kind=kind)


def _power(session: Session, chosen: int, path: str) -> go.Figure:
    """One trace's power shades the layer that is open, where events tell when it ran."""
    runs = session.subject(chosen)
    layer = path.removeprefix("gradients/")
    shaded = [layer] if layer and len(runs) == 1 and len(runs.traces[0].spans(layer)) else []
    return figures.power(runs, shaded)


KINDS: dict[str, _Draw] = {
    "stef": _ranking("stef"),
    "tef": _ranking("tef"),
    "stpf": _ranking("stpf"),
    "layers": _ranking("stef-layers"),
    "phases": lambda session, chosen, _: figures.phases(session.footprint(chosen)),
    "power": _power,
    "steps": lambda session, chosen, _: figures.steps(session.subject(chosen)),
    "cumulative": lambda session, chosen, _: figures.cumulative(session.subject(chosen)),
    "progress": lambda session, chosen, _: figures.progress(session.subject(chosen)),
    "scatter": lambda session, chosen, _: figures.scatter(session.footprint(chosen)),
    "ledger": lambda session, chosen, _: figures.ledger(session.subject(chosen), policy=session.policy),
    "similarity": lambda session, _, path: figures.similarity(session.runs),
}


def draw(kind: str, session: Session, chosen: int, path: str) -> go.Figure:
    """One figure of the chosen runs; `path` is the layer that is open, empty where none is."""
    return KINDS[kind](session, chosen, path)


def as_shown(figure: go.Figure) -> dict[str, Any]:
    """For a page that has told a modelled trace's sentence at its top."""
    return theme.undressed(figure)
