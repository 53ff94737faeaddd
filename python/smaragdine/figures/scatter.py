"""Joules against time or FLOPs, an operation a point: how far energy is from what is usually taken for it."""

from __future__ import annotations

import plotly.graph_objects as go

from smaragdine.accounts.correlation import spearman
from smaragdine.accounts.group import Group
from smaragdine.accounts.quantity import joules, number, percent, seconds, si
from smaragdine.accounts.spread import Spread
from smaragdine.errors import UsageError
from smaragdine.figures import theme
from smaragdine.figures.subject import Subject, numbers
from smaragdine.trace.trace import Recorded

AGAINST = ("time", "flops")
# More points than these are not told apart, and their whiskers hide them.
MOST_POINTS = 2000
MOST_WHISKERS = 150


def scatter(subject: Subject, against: str = "time") -> go.Figure:
    """Each operation's joules against its seconds, or the floating-point operations of all its executions.

    Both axes are logarithmic. The title tells Spearman's rank correlation over all operations that have both numbers;
    of very many the costliest are drawn. FLOPs need a trace or runs, and stay unknown where the trace does not tell.
    """
    if against not in AGAINST:
        raise UsageError(f"there is no scatter against {against!r}", f"choose one of {', '.join(AGAINST)}")
    footprint = numbers(subject)
    runs = len(footprint.footprints)
    everything = footprint.by("op")
    # Joules of two bases must not share an axis.
    bases = [group.basis for group in everything[:1]]
    groups = [group for group in everything if group.basis in bases]
    flops = _flops(subject) if against == "flops" else {}
    amounts = {group.name: (flops.get(group.name, 0.0) * group.count if flops else 0.0) for group in groups}
    if against == "time":
        amounts = {group.name: group.time_s for group in groups}
    known = [group for group in groups if amounts[group.name] > 0 and group.energy_j > 0]
    drawn = known[:MOST_POINTS]
    figure = go.Figure()
    spreads: list[Spread | None] = []
    for phase in [*theme.PHASES, None]:
        own = [g for g in drawn if (g.phase if g.phase in theme.PHASES else None) == phase]
        if not own:
            continue
        bounds = [Spread.of_energy(group, runs) for group in own]
        spreads += bounds
        figure.add_scatter(
            x=[amounts[group.name] for group in own],
            y=[group.energy_j for group in own],
            mode="markers",
            name=phase or "several passes",
            marker={"color": theme.PHASES.get(phase or "", theme.MIXED), "size": 7, "opacity": 0.65,
                    "line": {"width": 0}},
            hovertext=[_hover(group, amounts[group.name], against, spread)
                       for group, spread in zip(own, bounds, strict=True)],
            hovertemplate="%{hovertext}<extra></extra>",
            error_y={"type": "data", "symmetric": False, "thickness": 1, "width": 0,
                     "array": [spread.high - group.energy_j if spread else 0.0
                               for group, spread in zip(own, bounds, strict=True)],
                     # On a logarithmic axis there is no way down to 0.
                     "arrayminus": [min(group.energy_j - spread.low, 0.9 * group.energy_j) if spread else 0.0
                                    for group, spread in zip(own, bounds, strict=True)],
                     "visible": any(bounds) and len(drawn) <= MOST_WHISKERS},
        )  # fmt: skip
    if any(spreads) and len(drawn) <= MOST_WHISKERS:
        theme.whiskers(figure, next(spread.meaning for spread in spreads if spread))
    what = "time" if against == "time" else "FLOPs"
    if not known:
        theme.say(figure, "no operations" if not groups else f"the {what} of no operation is known")
    rank = spearman([amounts[group.name] for group in known], [group.energy_j for group in known])
    covered = percent(sum(group.energy_j for group in known) / total) if (total := _total(groups)) > 0 else "–"
    correlation = "–" if rank is None else f"{rank:.3f}"
    unit = "seconds, all executions" if against == "time" else "floating-point operations, all executions"
    return theme.dress(
        figure,
        f"Energy against {what}: rank correlation {correlation}",
        subtitle=f"{number(len(known))} of {number(len(groups))} operations, {covered} of their energy",
        modelled=footprint.modelled,
        notice=footprint.notice,
        height=480,
        showlegend=bool(known),
        xaxis=theme.axis(unit, visible=bool(known), type="log", tickformat="~s", dtick=1),
        yaxis=theme.axis("joules", visible=bool(known), type="log", tickformat="~s", dtick=1),
        legend=theme.LEGEND,
        margin={"l": 64, "b": 56, "t": 64},
    )


def _total(groups: list[Group]) -> float:
    return sum(group.energy_j for group in groups)


def _flops(subject: Subject) -> dict[str, float]:
    """FLOPs of one execution by QTN, of the operations whose FLOPs are known."""
    if not isinstance(subject, Recorded):
        raise UsageError("a footprint has no FLOPs", "give the trace itself")
    trace = subject.traces[0]
    return trace.flops()


def _hover(group: Group, amount: float, against: str, spread: Spread | None) -> str:
    lines = [
        f"<b>{theme.safe(theme.shorten(group.name, 120))}</b>",
        f"{joules(group.energy_j)} {group.basis}, {percent(group.share)} of all operations",
        spread.text(joules) if spread else "",
        seconds(amount) if against == "time" else f"{si(amount, 'FLOP')} in {seconds(group.time_s)}",
        f"{number(group.count)} executions",
    ]
    return "<br>".join(line for line in lines if line)
