"""Energy by pass: what the forward pass takes, what the backward pass, what the optimizer."""

from __future__ import annotations

import plotly.graph_objects as go

from smaragdine.accounts.group import Group
from smaragdine.accounts.quantity import joules, number, percent, seconds
from smaragdine.accounts.spread import Spread
from smaragdine.figures import theme
from smaragdine.figures.subject import Subject, numbers

_BAR_HEIGHT = 62


def phases(*subjects: Subject, names: tuple[str, ...] = ()) -> go.Figure:
    """A bar for each subject and basis, stacked by pass; whiskers stand at the end of each pass's stretch.

    `names` label the bars; without them a trace goes by its own.
    """
    bars: list[tuple[str, dict[str, Group], int]] = []
    several_bases = len({group.basis for subject in subjects for group in numbers(subject).by("phase")}) > 1
    modelled, notice = False, None
    for index, subject in enumerate(subjects):
        footprint = numbers(subject)
        modelled |= footprint.modelled
        notice = notice or footprint.notice
        name = names[index] if index < len(names) else getattr(subject, "name", "")
        groups = footprint.by("phase")
        for basis in dict.fromkeys(group.basis for group in groups):
            told = f"{name} ({basis})".strip() if several_bases else name
            held = {group.name: group for group in groups if group.basis == basis}
            bars.append((theme.shorten(told, 32), held, len(footprint.footprints)))
    figure = go.Figure()
    meanings: dict[str, None] = {}
    for phase in [*theme.PHASES, *sorted({p for _, held, _ in bars for p in held} - set(theme.PHASES))]:
        shown = [(place, held[phase], runs) for place, (_, held, runs) in enumerate(bars) if phase in held]
        if not shown:
            continue
        spreads = [Spread.of_energy(group, runs) for _, group, runs in shown]
        meanings |= {spread.meaning: None for spread in spreads if spread}
        fill = theme.PHASES.get(phase, theme.MIXED)
        figure.add_bar(
            y=[place for place, _, _ in shown],
            x=[group.energy_j for _, group, _ in shown],
            orientation="h",
            name=theme.safe(phase),
            width=0.56,
            marker={"color": fill},
            text=[f"{joules(group.energy_j)}<br>{percent(group.share)}" for _, group, _ in shown],
            textposition="inside",
            insidetextanchor="middle",
            textangle=0,
            textfont={"color": theme.ink_on(fill)},
            constraintext="inside",
            hovertext=[_hover(group, spread) for (_, group, _), spread in zip(shown, spreads, strict=True)],
            hovertemplate="%{hovertext}<extra></extra>",
            error_x={
                "type": "data",
                "symmetric": False,
                "array": [spread.high - group.energy_j if spread else 0.0
                          for (_, group, _), spread in zip(shown, spreads, strict=True)],
                "arrayminus": [group.energy_j - spread.low if spread else 0.0
                               for (_, group, _), spread in zip(shown, spreads, strict=True)],
                "visible": any(spreads), "thickness": 1.2, "width": 4, "color": theme.INK,
            },
        )  # fmt: skip
    if not figure.data:
        theme.say(figure, "no operations")
    labels = [name for name, _, _ in bars]
    theme.whiskers(figure, ", ".join(meanings) or None)
    return theme.dress(
        figure,
        "Energy of operations by pass",
        modelled=modelled,
        notice=notice,
        all_of_it=not several_bases,
        height=150 + _BAR_HEIGHT * max(1, len(bars)),
        barmode="stack",
        uniformtext={"minsize": 9, "mode": "hide"},
        xaxis=theme.axis("joules", rangemode="tozero"),
        yaxis=theme.names(labels),
        legend=theme.LEGEND | {"traceorder": "normal"},
        margin={"l": theme.room(labels), "b": 52, "t": 64},
    )  # fmt: skip


def _hover(group: Group, spread: Spread | None) -> str:
    lines = [
        f"<b>{theme.safe(group.name)}</b>",
        f"{joules(group.energy_j)} {group.basis}, {percent(group.share)} of all operations",
        spread.text(joules) if spread else "",
        f"{seconds(group.time_s)}, {number(group.count)} executions",
    ]
    return "<br>".join(line for line in lines if line)
