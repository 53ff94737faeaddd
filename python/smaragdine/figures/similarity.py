"""How alike several traces are: the correlation of their summarised footprints, each with each."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from smaragdine.accounts.footprint import RunsFootprint
from smaragdine.accounts.similarity import correlation, stefs
from smaragdine.errors import UsageError
from smaragdine.figures import theme
from smaragdine.figures.subject import Subject, numbers
from smaragdine.trace.runs import Runs

_CELL = 58
_SIDE = {"type": "category", "constrain": "domain", "showgrid": False, "zeroline": False}


def similarity(
    subjects: Runs | RunsFootprint | Sequence[Subject], *, names: Sequence[str] = (), power: bool = False
) -> go.Figure:
    """Pearson's correlation between the STEFs (`power`: STPFs) of each two traces: the field's accounting similarity.

    A tensor that a trace lacks has 0 J there; powers are compared of the tensors that both have. Joules of one basis
    are compared: measured where all traces have any. Raises SmaragdineError for fewer than two.
    """
    if isinstance(subjects, Runs):
        names = names or [trace.name for trace in subjects]
    own = subjects.footprints if isinstance(subjects, RunsFootprint) else [numbers(one) for one in subjects]
    if len(own) < 2:
        raise UsageError("similarity compares at least two traces", "name further traces")
    tables = stefs(own, power=power)
    modelled = any(footprint.modelled for footprint in own)
    labels = [f"{i + 1}. {theme.shorten(names[i], 24)}" if i < len(names) else str(i + 1) for i in range(len(own))]
    values = [[correlation(one, other, power=power) for other in tables] for one in tables]
    lowest = min((value for row in values for value in row if value is not None), default=0.0)
    fill = theme.diverging if lowest < 0 else theme.plain
    figure = go.Figure(
        go.Heatmap(
            z=values,
            x=[theme.safe(label.split(". ")[0]) for label in labels],
            y=[theme.safe(label) for label in labels],
            colorscale=theme.DIVERGING if lowest < 0 else theme.PLAIN_SCALE,
            zmin=-1 if lowest < 0 else 0,
            zmax=1,
            xgap=2,
            ygap=2,
            colorbar={"title": {"text": "r", "side": "top"}, "thickness": 10, "outlinewidth": 0, "len": 0.9},
            hovertemplate="%{y} with %{x}: r = %{z:.4f}<extra></extra>",
        )
    )
    for i, row in enumerate(values):
        for k, value in enumerate(row):
            ink = theme.ink_on(fill(value)) if value is not None else theme.INK
            text = "–" if value is None else f"{value:.2f}" if len(own) > 8 else f"{value:.4f}"
            figure.add_annotation(x=k, y=i, text=text, showarrow=False, font={"size": 11, "color": ink})
    side = _CELL * len(own)
    return theme.dress(
        figure,
        f"Similarity of {'power' if power else 'energy'} by tensor",
        modelled=modelled,
        notice=next((footprint.notice for footprint in own if footprint.notice), None),
        subtitle=f"Pearson’s r of {'STPFs' if power else 'STEFs'}, each trace with each",
        width=max(640 if modelled else 420, side + theme.room(labels) + 110),
        height=side + 120,
        xaxis=_SIDE | {"constraintoward": "left"},
        yaxis=_SIDE | {"autorange": "reversed", "scaleanchor": "x"},
        margin={"l": theme.room(labels), "b": 36, "t": 56},
    )
