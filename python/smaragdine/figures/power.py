"""Power over time: each domain's readings as the intervals they are, traced steps and chosen layers shaded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go

from smaragdine.accounts.energy import MEASURED, MODELLED
from smaragdine.accounts.quantity import watts
from smaragdine.accounts.spread import deviation
from smaragdine.errors import UsageError
from smaragdine.figures import theme
from smaragdine.figures.shades import PAUSED, key, shade
from smaragdine.figures.subject import traces
from smaragdine.trace.readings import Readings
from smaragdine.trace.steps import Step
from smaragdine.trace.trace import Recorded, Trace

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_INTERVALS = 1500
MOST_SHADES = 200
MOST_LINES = 24
TRACED = "#0b8a60"
# As a training names the stretch in which its owner had it stand still.
_PAUSE = "pause"
LAYERS = ("#d98c00", "#7a5ea8", "#b0587e", "#4b8fb8")


def power(subject: Recorded, layers: Sequence[str] = ()) -> go.Figure:
    """Mean power of every reading, by domain; intervals are merged where there are more than can be seen.

    Merging adds energies and lengths, so the area under the line stays the energy. Domains that are not counted,
    because another holds their energy, are drawn dotted. `layers` (paths, at most four) are shaded while their
    operations execute, and the picture begins with the first traced steps, outside of which no operation is known.
    Of several runs, the mean at equal time since each began, with a band of one deviation.
    """
    own = traces(subject)
    if layers and len(own) > 1:
        raise UsageError("layers are shaded in the picture of one trace", "name one trace")
    figure = go.Figure()
    names = list(dict.fromkeys(name for trace in own for name in trace.readings))
    # Of a job of many hosts, those that took most.
    drawn = set(sorted(names, key=lambda name: -_energy_j(own, name))[:MOST_LINES])
    for index, name in enumerate(name for name in names if name in drawn):
        colour = theme.DOMAINS[index % len(theme.DOMAINS)]
        if len(own) == 1:
            _line(figure, own[0], name, colour)
        else:
            _mean(figure, own, name, colour)
    shown = None
    if len(own) == 1:
        _shade_steps(figure, own[0])
        _shade_pauses(figure, own[0])
        shown = _shade_layers(figure, own[0], layers)
    if not figure.data:
        theme.say(figure, "no readings")
    most_w, beyond = _tallest(figure)
    more = f"the {MOST_LINES} of {len(names)} registers that took most" if len(names) > MOST_LINES else ""
    told = "; ".join(words for words in (more, beyond) if words)
    modelled = any(trace.modelled for trace in own)
    return theme.dress(
        figure,
        "Power" if len(own) == 1 else f"Power, mean of {len(own)} runs",
        subtitle=told,
        modelled=modelled,
        notice=next((trace.notice for trace in own if trace.notice), None),
        all_of_it=not any(_measured(trace, name) for trace in own for name in trace.readings),
        height=360,
        showlegend=True,
        xaxis=theme.axis("seconds since the recording started", range=shown),
        yaxis=theme.axis("watts", rangemode="tozero", range=[0, most_w] if beyond else None),
        legend=theme.LEGEND,
        margin={"l": 56, "b": 48, "t": 64},
    )


def _tallest(figure: go.Figure) -> tuple[float, str]:
    """Where the axis may end, and what is beyond: one short interval with a doubtful edge must not hide all others."""
    points = [
        (y, x) for line in figure.data for x, y in zip(line.x, line.y, strict=True) if x is not None and y is not None
    ]
    heights = sorted(y for y, _ in points)
    most_w = 1.25 * heights[int(0.995 * (len(heights) - 1))] if heights else 0.0
    beyond = sorted({point for point in points if point[0] > 3 * most_w > 0}, reverse=True)
    if not beyond:
        return most_w, ""
    peak_w, at_s = beyond[0]
    return most_w, f"beyond the axis: up to {watts(peak_w)}, at {at_s:.3f} s"


def _energy_j(own: Sequence[Trace], name: str) -> float:
    return sum(trace.readings[name].total_j for trace in own if name in trace.readings)


def _measured(trace: Trace, name: str) -> bool:
    domain = trace.metadata.domain(name)
    return domain is not None and domain.basis == MEASURED


def _words(trace: Trace, name: str) -> tuple[str, bool]:
    """A domain's entry in the legend, and whether it is counted."""
    domain = trace.metadata.domain(name)
    counted = domain is None or domain.counted
    words = [name] + ([] if counted else ["not counted"])
    words += ["modelled"] if domain is not None and domain.basis == MODELLED else []
    return theme.safe(", ".join(words)), counted


def _line(figure: go.Figure, trace: Trace, name: str, colour: str) -> None:
    words, counted = _words(trace, name)
    x, y = _steps(trace.readings[name], trace.metadata.start_ns)
    figure.add_scatter(
        x=x,
        y=y,
        mode="lines",
        name=words,
        line={"color": colour, "width": 1.4, "dash": "solid" if counted else "dot"},
        hovertemplate="%{y:.3s}W at %{x:.3f} s<extra>%{fullData.name}</extra>",
    )


def _mean(figure: go.Figure, own: Sequence[Trace], name: str, colour: str) -> None:
    """Over the time that all runs lasted; a run's power in a cell of the grid is its energy there by the cell."""
    held = [(trace.readings[name], trace.metadata.start_ns) for trace in own if name in trace.readings]
    if len(held) < len(own):
        return
    length_s = min((readings.end_ns[-1] - start) / 1e9 for readings, start in held)
    cells = max(1, min(MOST_INTERVALS // 4, int(length_s / 0.05)))
    grid = np.linspace(0.0, length_s, cells + 1)
    powers = np.array([_on_grid(readings, start, grid) for readings, start in held])
    mean, sd = powers.mean(axis=0), powers.std(axis=0, ddof=1)
    words, counted = _words(own[0], name)
    x = ((grid[1:] + grid[:-1]) / 2).tolist()
    figure.add_scatter(
        x=x + x[::-1], y=[*(mean + sd).tolist(), *np.maximum(mean - sd, 0.0).tolist()[::-1]], fill="toself",
        mode="lines", line={"width": 0}, fillcolor=theme.faint(colour), hoverinfo="skip", name=deviation(len(own)),
        showlegend=False,
    )  # fmt: skip
    figure.add_scatter(
        x=x, y=mean.tolist(), mode="lines", name=f"{words} (band: {deviation(len(own))})",
        line={"color": colour, "width": 1.6, "dash": "solid" if counted else "dot"},
        hovertemplate="%{y:.3s}W at %{x:.3f} s<extra>%{fullData.name}</extra>",
    )  # fmt: skip


def _on_grid(readings: Readings, start_ns: int, grid: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean watts in each cell of a grid of seconds."""
    edges = (np.r_[readings.start_ns[:1], readings.end_ns] - start_ns) / 1e9
    held = np.r_[0.0, np.cumsum(readings.energy_j)]
    power_w: NDArray[np.float64] = np.diff(np.interp(grid, edges, held)) / np.diff(grid)
    return power_w


def _shade_steps(figure: go.Figure, trace: Trace) -> None:
    origin = trace.metadata.start_ns
    _shade(figure, _traced(trace.steps), origin, TRACED, 0.12)
    if any(step.traced for step in trace.steps):
        key(figure, "traced steps", "rgba(11, 138, 96, 0.3)")


def _shade_pauses(figure: go.Figure, trace: Trace) -> None:
    spans = sorted((span.start_ns, span.end_ns) for span in trace.named_spans if span.name == _PAUSE)
    if spans:
        _shade(figure, _joined(np.array(spans, dtype=np.int64)), trace.metadata.start_ns, PAUSED, 0.22)
        key(figure, "paused", theme.faint(PAUSED, 0.5))


def _shade_layers(figure: go.Figure, trace: Trace, layers: Sequence[str]) -> list[float] | None:
    """Shades the first traced steps' part of each layer; returns the seconds that these steps take."""
    if len(layers) > len(LAYERS):
        raise UsageError(f"{len(layers)} layers cannot be told apart", f"name at most {len(LAYERS)}")
    traced = _traced(trace.steps)
    origin = trace.metadata.start_ns
    for layer, colour in zip(layers, LAYERS, strict=False):
        spans = trace.spans(layer)
        if not len(spans):
            raise UsageError(f"the trace has no operation in a layer {layer!r}")
        if traced:
            spans = spans[(spans[:, 1] > traced[0][0]) & (spans[:, 0] < traced[0][1])]
        _shade(figure, _joined(spans), origin, colour, 0.3)
        key(figure, theme.safe(theme.shorten(layer, 40)), theme.faint(colour, 0.5))
    if not layers or not traced:
        return None
    start_s, end_s = ((at - origin) / 1e9 for at in traced[0])
    return [start_s - 0.05 * (end_s - start_s), end_s + 0.05 * (end_s - start_s)]


def _shade(figure: go.Figure, spans: Sequence[tuple[int, int]], origin: int, colour: str, opacity: float) -> None:
    shade(figure, [((start - origin) / 1e9, (end - origin) / 1e9) for start, end in spans], colour, opacity)


def _joined(spans: NDArray[np.int64]) -> list[tuple[int, int]]:
    """At most so many spans as can be seen: those with the shortest pauses between them become one."""
    if not len(spans):
        return []
    pauses = spans[1:, 0] - spans[:-1, 1]
    kept = np.sort(np.argsort(pauses)[::-1][: MOST_SHADES - 1])
    starts, ends = np.r_[spans[0, 0], spans[kept + 1, 0]], np.r_[spans[kept, 1], spans[-1, 1]]
    return list(zip(starts.tolist(), ends.tolist(), strict=True))


def _steps(readings: Readings, origin: int) -> tuple[list[float | None], list[float | None]]:
    """The outline of the intervals; a break where one is missing or unknown."""
    start, end, energy, gap = merged(readings)
    x: list[float | None] = []
    y: list[float | None] = []
    last: int | None = None
    for s, e, joules, unknown in zip(start.tolist(), end.tolist(), energy.tolist(), gap.tolist(), strict=True):
        if unknown or e <= s:
            continue
        if last is not None and s > last:
            x.append((last - origin) / 1e9)
            y.append(None)
        power_w = joules / ((e - s) / 1e9)
        x += [round((s - origin) / 1e9, 6), round((e - origin) / 1e9, 6)]
        y += [float(f"{power_w:.5g}")] * 2
        last = e
    return x, y


def merged(
    readings: Readings, most: int = MOST_INTERVALS
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64], NDArray[np.bool_]]:
    """At most about `most` intervals of start, end, energy and gap; none spans a hole between two readings."""
    n = len(readings)
    stride = -(-n // most) if n else 1
    contiguous = np.ones(n, dtype=np.bool_)
    contiguous[1:] = (readings.start_ns[1:] == readings.end_ns[:-1]) & (readings.gap[1:] == readings.gap[:-1])
    run = np.cumsum(~contiguous)
    first = np.flatnonzero(np.r_[True, (np.diff(run) != 0) | (np.arange(1, n) % stride == 0)][:n])
    last = np.r_[first[1:], n] - 1 if n else first
    energy = np.add.reduceat(readings.energy_j, first) if n else readings.energy_j
    return readings.start_ns[first], readings.end_ns[last], energy, readings.gap[first]


def _traced(steps: list[Step]) -> list[tuple[int, int]]:
    """Stretches of traced steps, neighbours as one; nearest ones join where there are more than can be told apart."""
    spans: list[tuple[int, int]] = []
    for step in steps:
        if step.traced:
            if spans and step.start_ns - spans[-1][1] < 1_000_000:
                spans[-1] = (spans[-1][0], max(spans[-1][1], step.end_ns))
            else:
                spans.append((step.start_ns, step.end_ns))
    stride = -(-len(spans) // MOST_SHADES) if spans else 1
    return [(spans[i][0], spans[min(i + stride, len(spans)) - 1][1]) for i in range(0, len(spans), stride)]
