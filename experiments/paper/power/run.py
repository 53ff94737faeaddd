"""Power within a step, averaged over all traced steps, with the first transformer marked (section 5.3.1, Figure 3)."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go

from experiments.paper.bench import Bench, basis, run
from experiments.paper.claim import MODELLED, Claim, Finding
from smaragdine import Runs, Trace
from smaragdine.accounts.quantity import watts
from smaragdine.figures import theme

if TYPE_CHECKING:
    from numpy.typing import NDArray

CELLS = 60
FIRST, OTHERS = "bert/encoder/layer_0", "bert/encoder"

RAMP = Claim(
    "Power ramps up within a step: the first transformer runs at lower power than those after it",
    "§5.3.1, Figure 3",
    "a ramp; numbers are not given",
)


@dataclass(frozen=True)
class Curve:
    """Over elapsed time in a step, in cells of equal length."""

    elapsed_s: NDArray[np.float64]
    power_w: NDArray[np.float64]
    """Of all counted domains, mean over steps, …"""
    sd_w: NDArray[np.float64]
    first: NDArray[np.float64]
    """… and how much of a cell the first transformer takes, and the others, in 0…1."""
    others: NDArray[np.float64]

    @classmethod
    def of(cls, traces: Sequence[Trace]) -> Curve:
        """Of the traced steps, over the time that half of them last."""
        lengths = [step.duration_s for trace in traces for step in trace.steps if step.traced]
        grid = np.linspace(0.0, float(np.median(lengths)), CELLS + 1)
        rows = [row for trace in traces for row in _steps(trace, grid)]
        power, first, others = (np.array([row[k] for row in rows]) for k in range(3))
        return cls(
            (grid[1:] + grid[:-1]) / 2, power.mean(axis=0), power.std(axis=0), first.mean(axis=0), others.mean(axis=0)
        )

    def mean_w(self, weight: NDArray[np.float64]) -> float | None:
        """Over the cells, as much as each weighs."""
        return float(self.power_w @ weight / weight.sum()) if weight.sum() > 0 else None


_Row = tuple["NDArray[np.float64]", "NDArray[np.float64]", "NDArray[np.float64]"]


def _steps(trace: Trace, grid: NDArray[np.float64]) -> list[_Row]:
    """Of each traced step: power, and the shares of the first transformer and of the others, by cell."""
    counted = [trace.readings[domain.name] for domain in trace.metadata.counted if domain.name in trace.readings]
    first, all_of_them = (forward_spans(trace, layer) for layer in (FIRST, OTHERS))
    width = np.diff(grid)
    rows = []
    for step in trace.steps:
        if not step.traced:
            continue
        at = step.start_ns + grid * 1e9
        energy = sum(
            np.diff(np.interp(at, np.r_[of.start_ns[:1], of.end_ns], np.r_[0.0, np.cumsum(of.energy_j)]))
            for of in counted
        )
        own = _covered(first, at) / (width * 1e9)
        rows.append((energy / width, own, np.maximum(_covered(all_of_them, at) / (width * 1e9) - own, 0.0)))
    return rows


def forward_spans(trace: Trace, layer: str) -> NDArray[np.int64]:
    """When forward operations inside a layer were executing: rows of start and end, none touching."""
    rows = trace.sql(
        "select start_ns, end_ns from events join ops using (op) where phase = 'forward' "
        f"and starts_with(layer, '{layer}/') order by start_ns, end_ns"
    ).fetchall()
    times = np.array(rows, dtype=np.int64).reshape(-1, 2)
    if not len(times):
        return times
    reach = np.maximum.accumulate(times[:, 1])
    begins = np.flatnonzero(np.r_[True, times[1:, 0] > reach[:-1]])
    return np.column_stack([times[begins, 0], reach[np.r_[begins[1:], len(times)] - 1]])


def _covered(spans: NDArray[np.int64], at: NDArray[np.float64]) -> NDArray[np.float64]:
    """Nanoseconds of the spans between each two instants."""
    if not len(spans):
        return np.zeros(len(at) - 1)
    edges = spans.reshape(-1)
    held = np.repeat(np.r_[0, np.cumsum(spans[:, 1] - spans[:, 0])], 2)[1:-1]
    covered: NDArray[np.float64] = np.diff(np.interp(at, edges, held))
    return covered


def conduct(bench: Bench) -> list[Finding]:
    runs = bench.runs(bench.scale.default)
    own = basis(runs)
    curve = Curve.of(runs.traces)
    columns = (curve.elapsed_s, curve.power_w, curve.sd_w, curve.first, curve.others)
    bench.table(
        "power",
        ("seconds into the step", "W", "sd", "first transformer", "other transformers"),
        [tuple(float(value) for value in row) for row in zip(*columns, strict=True)],
    )
    bench.figure("power", draw(curve, runs, modelled=own == MODELLED), picture=True)
    first_w, others_w = curve.mean_w(curve.first), curve.mean_w(curve.others)
    here = f"first transformer {watts(first_w)}, the others {watts(others_w)} of all that is counted"
    return [RAMP.found(here, own, None if first_w is None or others_w is None else first_w < others_w)]


def draw(curve: Curve, runs: Runs, *, modelled: bool) -> go.Figure:
    figure = go.Figure()
    marked = np.where(curve.first > curve.others, "first transformer", "others").astype(object)
    marked[curve.first + curve.others < 0.05] = "no transformer, forward"
    colours = {
        "first transformer": theme.PHASES["backward"],
        "others": theme.MIXED,
        "no transformer, forward": theme.PHASES["other"],
    }
    for name, colour in colours.items():
        held = marked == name
        figure.add_scatter(
            x=1e3 * curve.elapsed_s[held], y=curve.power_w[held], mode="markers", name=name, marker={"color": colour},
            error_y={"type": "data", "array": curve.sd_w[held], "thickness": 1, "width": 0},
        )  # fmt: skip
    steps = sum(step.traced for trace in runs for step in trace.steps)
    return theme.dress(
        figure, "Power within a step", modelled=modelled, subtitle=f"mean of {steps} steps; whiskers: sd over them",
        height=420, legend=theme.LEGEND, showlegend=True, margin={"l": 60, "b": 56, "t": 70},
        xaxis=theme.axis("milliseconds into the step"), yaxis=theme.axis("watts", rangemode="tozero"),
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(run(__doc__, "power", conduct))
