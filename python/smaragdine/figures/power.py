"""Power over time: each domain's readings as the intervals they are, traced steps shaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go

from smaragdine.figures import theme
from smaragdine.trace import Readings, Step, Trace

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_INTERVALS = 1500
MOST_SHADES = 200


def power(trace: Trace) -> go.Figure:
    """Mean power of every reading, by domain; intervals are merged where there are more than can be seen.

    Merging adds energies and lengths, so the area under the line stays the energy. Domains that are not counted,
    because another holds their energy, are drawn dotted.
    """
    figure = go.Figure()
    origin = trace.metadata.start_ns
    for index, (name, readings) in enumerate(trace.readings.items()):
        domain = trace.metadata.domain(name)
        counted = domain is None or domain.counted
        x, y = _steps(readings, origin)
        words = [name] + ([] if counted else ["not counted"])
        words += ["modelled"] if domain is not None and domain.basis == "modelled" else []
        figure.add_scatter(
            x=x,
            y=y,
            mode="lines",
            name=theme.safe(", ".join(words)),
            line={
                "color": theme.DOMAINS[index % len(theme.DOMAINS)],
                "width": 1.4,
                "dash": "solid" if counted else "dot",
            },
            hovertemplate="%{y:.3s}W at %{x:.3f} s<extra>%{fullData.name}</extra>",
        )
    for start, end in _traced(trace.steps):
        figure.add_vrect(
            x0=(start - origin) / 1e9, x1=(end - origin) / 1e9, fillcolor="#0b8a60", opacity=0.12, line_width=0,
            layer="below",
        )  # fmt: skip
    if any(step.traced for step in trace.steps):
        figure.add_scatter(
            x=[None], y=[None], mode="markers", name="traced steps",
            marker={"symbol": "square", "size": 11, "color": "rgba(11, 138, 96, 0.3)"},
        )  # fmt: skip
    return theme.dress(
        figure,
        "Power",
        modelled=trace.modelled,
        height=340 + (theme.NOTICE_HEIGHT if trace.modelled else 0),
        showlegend=True,
        xaxis={"title": {"text": "seconds since the recording started"}, "gridcolor": theme.GRID, "zeroline": False},
        yaxis={"title": {"text": "watts"}, "rangemode": "tozero", "gridcolor": theme.GRID, "zeroline": False},
        legend={"orientation": "h", "x": 1, "xanchor": "right", "y": 1, "yanchor": "bottom"},
        margin={"l": 56, "b": 48, "t": 64},
    )


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
        watts = joules / ((e - s) / 1e9)
        x += [round((s - origin) / 1e9, 6), round((e - origin) / 1e9, 6)]
        y += [float(f"{watts:.5g}")] * 2
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
