"""The processes of a job side by side: what each one's application took, and how long it waited."""

from __future__ import annotations

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from smaragdine.accounts.energy import BASES, MODELLED
from smaragdine.accounts.quantity import joules, number, percent, seconds
from smaragdine.errors import UsageError
from smaragdine.figures import theme
from smaragdine.figures.subject import traces
from smaragdine.trace.jobs import rank as jobs
from smaragdine.trace.jobs.rank import Rank
from smaragdine.trace.trace import Recorded

# Beyond that many, names below the bars are no longer read.
_MOST_NAMED = 64


def ranks(subject: Recorded, *, policy: str = "equal") -> go.Figure:
    """Joules above, a bar for each rank and basis in its host's colour, and below the seconds that its lanes waited.

    The line is the mean: what is above it is imbalance. Raises SmaragdineError where the trace is no job's.
    """
    own = traces(subject)
    if len(own) != 1 or not own[0].parts:
        raise UsageError("ranks are those of one job", "name the folder that holds host=…/rank=…")
    told = jobs.ranks(own[0].parts, policy)
    hosts = list(dict.fromkeys(one.host for one in told))
    bases = [basis for basis in BASES if any(one.energy[basis] for one in told)] or [BASES[0]]
    figure = make_subplots(rows=2, shared_xaxes=True, vertical_spacing=0.1, row_heights=[0.62, 0.38])
    places = list(range(len(told)))
    colours = [theme.DOMAINS[hosts.index(one.host) % len(theme.DOMAINS)] for one in told]
    hover = [_hover(one) for one in told]
    for basis in bases:
        figure.add_bar(
            x=places, y=[one.energy[basis] for one in told], name=basis, hovertext=hover,
            hovertemplate="%{hovertext}<extra></extra>", row=1, col=1,
            marker={"color": colours, "pattern": {"shape": "/" if basis == MODELLED else "", "solidity": 0.15}},
        )  # fmt: skip
    waiting = [one.waiting_s for one in told]
    figure.add_bar(
        x=places, y=waiting, name="waiting", marker={"color": colours}, opacity=0.55, hovertext=hover,
        hovertemplate="%{hovertext}<extra></extra>", row=2, col=1,
    )  # fmt: skip
    for row, values in ((1, [one.energy[bases[0]] for one in told]), (2, waiting)):
        figure.add_hline(y=sum(values) / len(values), line={"color": theme.LINE, "width": 1, "dash": "dash"}, row=row)
    named = len(told) <= _MOST_NAMED
    figure.update_xaxes(
        tickvals=places if named else [], gridcolor=theme.GRID, row=2, col=1,
        ticktext=[theme.safe(theme.shorten(_name(one), 24)) for one in told] if named else [],
        title={"text": "ranks" if named else f"{len(told)} ranks, by number"},
    )  # fmt: skip
    figure.update_yaxes(theme.axis("joules", rangemode="tozero"), row=1, col=1)
    figure.update_yaxes(theme.axis("seconds waiting", rangemode="tozero"), row=2, col=1)
    return theme.dress(
        figure,
        "Ranks side by side",
        modelled=own[0].modelled,
        notice=own[0].notice,
        height=440,
        showlegend=len(bases) > 1,
        barmode="stack",
        legend=theme.LEGEND,
        margin={"l": 56, "b": 72, "t": 64},
    )


def _name(rank: Rank) -> str:
    return f"{rank.rank}" + (f" again ({rank.attempt})" if rank.attempt > 1 else "")


def _hover(rank: Rank) -> str:
    energies = " + ".join(f"{joules(rank.energy[basis])} {basis}" for basis in BASES if rank.energy[basis])
    lines = [
        f"<b>rank {_name(rank)}</b> on {theme.safe(rank.host)}",
        energies or "no energy",
        f"waited {seconds(rank.waiting_s)}" + (_of_its_time(rank)),
        f"{number(rank.steps)} steps" + (f" of {seconds(rank.step_s)}" if rank.step_s is not None else ""),
    ]
    return "<br>".join(lines)


def _of_its_time(rank: Rank) -> str:
    return f", {percent(rank.waiting_s / rank.duration_s)} of its time" if rank.duration_s else ""
