"""Joules to reach an accuracy, epoch by epoch: BERT in Keras, trained on the same examples again and again."""

from __future__ import annotations

import itertools
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace

import plotly.graph_objects as go

from experiments.paper.bench import Bench, basis, run
from experiments.paper.claim import MODELLED, Claim, Finding
from experiments.paper.recordings import call, complete
from experiments.paper.setting import Setting
from smaragdine import Trace, figures
from smaragdine.accounts.quantity import joules, percent, seconds
from smaragdine.figures import theme

METRIC = "words_accuracy"
FEWEST = 2

_HALVES = "The second half of the accuracy that is gained takes more {} than the first"
DEARER = Claim(_HALVES.format("energy"), "beyond the paper", "–")
SLOWER = Claim(_HALVES.format("time"), "beyond the paper", "–", "time")


@dataclass(frozen=True)
class Epoch:
    """What had been spent when an epoch ended."""

    accuracy: float
    energy_j: float
    """Of the application in all steps until then."""
    time_s: float


def conduct(bench: Bench) -> list[Finding]:
    scale = bench.scale
    setting = Setting(replace(scale.size, dropout=0.0), "keras", steps=scale.epoch_steps)
    path = bench.output / "traces" / setting.name
    if not complete(path):
        shutil.rmtree(path, ignore_errors=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        call("experiments.paper.fit", setting.json(), path, scale.epochs, bench.data[0] or "")
    trace = Trace.open(path)
    own, epochs = basis(trace), epochs_of(trace)
    bench.table(
        "epochs",
        ("epoch", "accuracy", "J until then", "J an epoch", "seconds", "J for each point gained"),
        [
            (number, epoch.accuracy, epoch.energy_j, epoch.energy_j - before.energy_j, epoch.time_s,
             _a_point(before, epoch))
            for number, (before, epoch) in enumerate(zip([Epoch(0.0, 0.0, 0.0), *epochs], epochs, strict=False), 1)
        ],
    )  # fmt: skip
    bench.figure("epochs", draw(epochs, modelled=own == MODELLED), picture=True)
    bench.figure("cumulative", figures.cumulative(trace, metric=METRIC))
    energies, times = (halves(epochs, what) for what in ("energy_j", "time_s"))
    if energies is None or times is None:
        reached = percent(epochs[-1].accuracy) if epochs else "no"
        nothing = f"{reached} accuracy after {len(epochs)} epochs, the best among the first two"
        return [claim.found(nothing, own, None) for claim in (DEARER, SLOWER)]
    gained = f"{percent(epochs[0].accuracy)} → {percent(max(epoch.accuracy for epoch in epochs))}"
    return [
        DEARER.found(f"{joules(energies[0])}, then {joules(energies[1])}, {gained}", own,
                     energies[1] > energies[0]),
        SLOWER.found(f"{seconds(times[0])}, then {seconds(times[1])}, {gained}", own, times[1] > times[0]),
    ]  # fmt: skip


def epochs_of(trace: Trace) -> list[Epoch]:
    """Keras logs the mean over an epoch's steps so far: that of its last step is the epoch's."""
    found: dict[int, Epoch] = {}
    energy_j = time_s = 0.0
    for step in trace.steps:
        energy_j += sum(step.energy_j.values())
        time_s += step.duration_s
        if METRIC in step.metrics:
            found[step.epoch] = Epoch(step.metrics[METRIC], energy_j, time_s)
    return list(found.values())


def halves(epochs: Sequence[Epoch], what: str) -> tuple[float, float] | None:
    """What the first and the second half of the accuracy took that was gained after the first epoch.

    Between epochs it is taken to rise evenly; what follows the best epoch is not counted. None where it was gained
    in fewer than two epochs, which would be even by assumption.
    """
    if not epochs:
        return None
    best = max(range(len(epochs)), key=lambda index: epochs[index].accuracy)
    if best < FEWEST:
        return None
    first, last = epochs[0], epochs[best]
    half = (first.accuracy + last.accuracy) / 2
    begin, end = getattr(first, what), getattr(last, what)
    for before, after in itertools.pairwise(epochs[: best + 1]):
        if after.accuracy >= half:
            part = (half - before.accuracy) / (after.accuracy - before.accuracy)
            middle = getattr(before, what) + part * (getattr(after, what) - getattr(before, what))
            return middle - begin, end - middle
    return None


def _a_point(before: Epoch, epoch: Epoch) -> float | None:
    """Joules for each percentage point; None where none was gained."""
    points = 100 * (epoch.accuracy - before.accuracy)
    return (epoch.energy_j - before.energy_j) / points if points > 0 else None


def draw(epochs: Sequence[Epoch], *, modelled: bool) -> go.Figure:
    figure = go.Figure()
    figure.add_scatter(
        x=[epoch.energy_j for epoch in epochs], y=[100 * epoch.accuracy for epoch in epochs], mode="lines+markers+text",
        text=[str(number) for number in range(1, len(epochs) + 1)], textposition="top center",
        line={"color": theme.PHASES["forward"]}, showlegend=False,
    )  # fmt: skip
    return theme.dress(
        figure, "Accuracy by energy, an epoch a point", modelled=modelled, height=420,
        margin={"l": 60, "b": 56, "t": 70}, xaxis=theme.axis("joules", rangemode="tozero"),
        yaxis=theme.axis("% of masked words"),
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(run(__doc__, "accuracy", conduct))
