"""Energy of each step, what it adds up to, and what a metric's progress cost."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from smaragdine.accounts.quantity import joules, percent
from smaragdine.accounts.spread import deviation
from smaragdine.figures import theme
from smaragdine.figures.subject import traces
from smaragdine.trace.steps import Step
from smaragdine.trace.trace import Recorded, Trace

MOST_STEPS = 1000
MOST_BEYOND = 3
STEP, TRACED, METRIC = "#93e3bf", "#0b8a60", "#d98c00"


@dataclass(frozen=True, slots=True)
class _Point:
    """A step, or equally many neighbours: of several runs the mean."""

    step: int
    traced: bool
    energy_j: float
    """Of one step of these."""
    sd_j: float | None
    total_j: float
    """From the first step to these."""
    total_sd_j: float | None
    metric: float | None


def steps(subject: Recorded, metric: str = "loss") -> go.Figure:
    """Joules of the application per step over the counted domains of one basis (measured where there is any).

    Traced steps stand out; beyond a thousand steps, means over equally many neighbours are drawn. The metric, where it
    was logged, is a line on an axis of its own. Of several runs the mean by place of the step, whiskers the deviation.
    """
    points, runs, notice = _points(subject, metric)
    figure = go.Figure()
    for traced, name, colour in ((False, "step", STEP), (True, "traced step", TRACED)):
        chosen = [point for point in points if point.traced is traced]
        if chosen:
            figure.add_bar(
                x=[point.step for point in chosen],
                y=[point.energy_j for point in chosen],
                name=name,
                marker={"color": colour, "line": {"width": 0}},
                error_y={"type": "data", "array": [point.sd_j or 0.0 for point in chosen], "visible": runs > 1,
                         "thickness": 1, "width": 2, "color": theme.LINE},
                hovertemplate="step %{x}: %{y:.3s}J<extra></extra>",
            )  # fmt: skip
    logged = _metric(figure, points, metric)
    if runs > 1 and points:
        theme.whiskers(figure, deviation(runs))
    most_j, beyond = _tallest(points)
    told = f"beyond the axis: {', '.join(f'step {p.step} with {joules(p.energy_j)}' for p in beyond)}" if beyond else ""
    _dress(figure, "Energy per step", "joules per step", points, notice, metric if logged else None, told)
    return figure.update_layout(yaxis_range=[0, most_j]) if beyond else figure


def _tallest(points: Sequence[_Point]) -> tuple[float, list[_Point]]:
    """Where an axis may end, and what is beyond: a first step that compiles may take a hundred times the energy."""
    heights = sorted(point.energy_j + (point.sd_j or 0.0) for point in points)
    most_j = 1.3 * heights[int(0.95 * (len(heights) - 1))] if heights else 0.0
    beyond = [point for point in points if point.energy_j > 3 * most_j > 0]
    return most_j, beyond if len(beyond) <= MOST_BEYOND else []


def cumulative(subject: Recorded, metric: str = "loss") -> go.Figure:
    """Joules of the application from the first step to each, with the metric beside them; a band of one deviation."""
    points, runs, notice = _points(subject, metric)
    figure = go.Figure()
    if points:
        x = [point.step for point in points]
        if runs > 1:
            low, high = ([p.total_j + sign * (p.total_sd_j or 0.0) for p in points] for sign in (-1, 1))
            figure.add_scatter(
                x=x + x[::-1], y=high + low[::-1], fill="toself", mode="lines", line={"width": 0},
                fillcolor="rgba(11, 138, 96, 0.2)", name=deviation(runs), hoverinfo="skip",
            )  # fmt: skip
        figure.add_scatter(
            x=x, y=[point.total_j for point in points], mode="lines", name="energy so far",
            line={"color": TRACED, "width": 2}, hovertemplate="up to step %{x}: %{y:.4s}J<extra></extra>",
        )  # fmt: skip
    logged = _metric(figure, points, metric)
    return _dress(figure, "Energy from the first step on", "joules", points, notice, metric if logged else None)


def progress(subject: Recorded, metric: str = "loss") -> go.Figure:
    """The best value of a metric so far against the energy that it took, and what the last per cent of it cost."""
    points, _, notice = _points(subject, metric)
    logged = [(point.total_j, point.metric) for point in points if point.metric is not None]
    figure = go.Figure()
    told = "no progress"
    if len(logged) > 1:
        energies, values = zip(*logged, strict=True)
        better: Callable[[float, float], float] = min if values[-1] < values[0] else max
        best = list(itertools.accumulate(values, better))
        figure.add_scatter(
            x=energies, y=values, mode="markers", name="as logged", marker={"color": METRIC, "size": 4, "opacity": 0.5},
            hovertemplate="%{y:.4g} after %{x:.4s}J<extra></extra>",
        )  # fmt: skip
        figure.add_scatter(
            x=energies, y=best, mode="lines", name="best so far", line={"color": TRACED, "width": 2, "shape": "hv"},
            hovertemplate="%{y:.4g} after %{x:.4s}J<extra></extra>",
        )  # fmt: skip
        if best[-1] != best[0]:
            nearly_j, best_j = _last_per_cent(energies, best)
            figure.add_vrect(x0=nearly_j, x1=best_j, fillcolor=METRIC, opacity=0.15, line_width=0, layer="below")
            cost_j = best_j - nearly_j
            told = f"the last 1 % of the progress took {joules(cost_j)}, {percent(cost_j / best_j)} of all up to there"
    else:
        theme.say(figure, f"{theme.safe(theme.shorten(metric, 40))} was not logged with the steps")
    return theme.dress(
        figure,
        f"What progress in {theme.shorten(metric, 40)} cost",
        subtitle=told,
        modelled=notice is not None,
        notice=notice,
        height=360,
        xaxis=theme.axis("joules from the first step on", exponentformat="SI"),
        yaxis=theme.axis(theme.safe(theme.shorten(metric, 40))),
        legend=theme.LEGEND,
        margin={"l": 64, "b": 52, "t": 64},
    )


def _last_per_cent(energies: Sequence[float], best: Sequence[float]) -> tuple[float, float]:
    """Joules at which 99 % of all progress was made, between two steps by interpolation, and at which all of it was."""
    made = [abs(value - best[0]) / abs(best[-1] - best[0]) for value in best]
    after = next(i for i, part in enumerate(made) if part >= 0.99)
    ahead = (0.99 - made[after - 1]) / (made[after] - made[after - 1])
    nearly_j = energies[after - 1] + ahead * (energies[after] - energies[after - 1])
    return nearly_j, energies[best.index(best[-1])]


def _points(subject: Recorded, metric: str) -> tuple[list[_Point], int, str | None]:
    """The points, of how many runs, and what is to be said where their energy is modelled."""
    own = traces(subject)
    domains = [_domains(trace) for trace in own]
    shortest = min(len(trace.steps) for trace in own)
    stride = -(-shortest // MOST_STEPS) if shortest else 1
    energies = [[_energy(step, of) for step in trace.steps[:shortest]] for trace, of in zip(own, domains, strict=True)]
    totals = [list(itertools.accumulate(one)) for one in energies]
    points = []
    for at in range(0, shortest, stride):
        group = slice(at, min(at + stride, shortest))
        means = [statistics.fmean(one[group]) for one in energies]
        sums = [one[group.stop - 1] for one in totals]
        logged = [trace.steps[group.stop - 1].metrics.get(metric) for trace in own]
        known = [value for value in logged if value is not None]
        points.append(
            _Point(
                step=own[0].steps[at].step,
                traced=any(step.traced for trace in own for step in trace.steps[group]),
                energy_j=statistics.fmean(means),
                sd_j=statistics.stdev(means) if len(own) > 1 else None,
                total_j=statistics.fmean(sums),
                total_sd_j=statistics.stdev(sums) if len(own) > 1 else None,
                metric=statistics.fmean(known) if len(known) == len(own) else None,
            )
        )
    return points, len(own), next((trace.notice for trace in own if trace.notice), None)


def _domains(trace: Trace) -> set[str]:
    measured = {domain.name for domain in trace.metadata.counted if domain.basis == "measured"}
    return measured or {domain.name for domain in trace.metadata.counted}


def _energy(step: Step, domains: set[str]) -> float:
    return sum(energy_j for domain, energy_j in step.energy_j.items() if domain in domains)


def _metric(figure: go.Figure, points: list[_Point], metric: str) -> bool:
    logged = [point for point in points if point.metric is not None]
    if logged:
        figure.add_scatter(
            x=[point.step for point in logged],
            y=[point.metric for point in logged],
            name=theme.safe(theme.shorten(metric, 24)),
            mode="lines",
            yaxis="y2",
            line={"color": METRIC, "width": 1.6},
            hovertemplate="step %{x}: %{y:.4g}<extra></extra>",
        )
    return bool(logged)


def _dress(
    figure: go.Figure,
    title: str,
    unit: str,
    points: list[_Point],
    notice: str | None,
    metric: str | None,
    told: str = "",
) -> go.Figure:
    if not points:
        theme.say(figure, "no steps were marked")
    return theme.dress(
        figure,
        title,
        subtitle=told,
        modelled=notice is not None,
        notice=notice,
        height=320,
        barmode="overlay",
        bargap=0.1,
        xaxis=theme.axis("step"),
        yaxis=theme.axis(unit, rangemode="tozero", exponentformat="SI"),
        yaxis2=theme.axis(theme.safe(theme.shorten(metric or "", 40)), overlaying="y", side="right", showgrid=False,
                          visible=metric is not None, nticks=5, tickformat=".3~g"),
        legend=theme.LEGEND,
        margin={"l": 56, "r": 56 if metric else 16, "b": 52, "t": 64},
    )  # fmt: skip
