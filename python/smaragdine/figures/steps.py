"""Energy of each step, and the metric that training logged beside it."""

from __future__ import annotations

import plotly.graph_objects as go

from smaragdine.figures import theme
from smaragdine.trace import Step, Trace

MOST_STEPS = 1000


def steps(trace: Trace, metric: str = "loss") -> go.Figure:
    """Joules of the application per step over the counted domains of one basis (measured where there is any).

    Traced steps stand out; beyond a thousand steps, means over equally many neighbours are drawn. The metric, where it
    was logged, is a line on an axis of its own.
    """
    measured = {d.name for d in trace.metadata.counted if d.basis == "measured"}
    domains = measured or {d.name for d in trace.metadata.counted}
    stride = -(-len(trace.steps) // MOST_STEPS) if trace.steps else 1
    groups = [trace.steps[i : i + stride] for i in range(0, len(trace.steps), stride)]
    figure = go.Figure()
    for traced, name, colour in ((False, "step", "#93e3bf"), (True, "traced step", "#0b8a60")):
        chosen = [group for group in groups if any(step.traced for step in group) is traced]
        if chosen:
            figure.add_bar(
                x=[group[0].step for group in chosen],
                y=[_energy(group, domains) for group in chosen],
                name=name,
                marker={"color": colour, "line": {"width": 0}},
                hovertemplate="step %{x}: %{y:.3s}J<extra></extra>",
            )
    logged = [group for group in groups if metric in group[0].metrics]
    if logged:
        figure.add_scatter(
            x=[group[0].step for group in logged],
            y=[group[0].metrics[metric] for group in logged],
            name=theme.safe(metric),
            mode="lines",
            yaxis="y2",
            line={"color": "#d98c00", "width": 1.6},
            hovertemplate="step %{x}: %{y:.4g}<extra></extra>",
        )
    if not trace.steps:
        figure.add_annotation(text="no steps were marked", showarrow=False)
    return theme.dress(
        figure,
        "Energy per step",
        modelled=trace.modelled,
        height=300 + (theme.NOTICE_HEIGHT if trace.modelled else 0),
        barmode="overlay",
        bargap=0.1,
        xaxis={"title": {"text": "step"}, "gridcolor": theme.GRID, "zeroline": False},
        yaxis={"title": {"text": "joules"}, "rangemode": "tozero", "gridcolor": theme.GRID, "zeroline": False},
        yaxis2={"overlaying": "y", "side": "right", "showgrid": False, "title": {"text": theme.safe(metric)},
                "zeroline": False, "visible": bool(logged), "nticks": 5, "tickformat": ".3~g"},
        legend={"orientation": "h", "x": 1, "xanchor": "right", "y": 1, "yanchor": "bottom"},
        margin={"l": 56, "r": 56 if logged else 16, "b": 48, "t": 64},
    )  # fmt: skip


def _energy(group: list[Step], domains: set[str]) -> float:
    joules = sum(energy for step in group for domain, energy in step.energy_j.items() if domain in domains)
    return joules / len(group)
