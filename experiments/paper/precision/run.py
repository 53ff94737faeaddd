"""Similarity under sample sparsing and widening, and from experiment to experiment (section 5.4, Figures 7 and 8).

Where there is no sensor, registers follow a known waveform: that tests the method, for which it does not matter whose
power it is.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TypeAlias

import plotly.graph_objects as go

from experiments.paper.bench import Bench, basis, run
from experiments.paper.claim import Claim, Finding
from experiments.paper.matrix import matrix
from experiments.paper.passes import passes
from experiments.paper.published import PUBLISHED
from experiments.paper.thinning import thinned
from smaragdine import Runs
from smaragdine.accounts.footprint import RunsFootprint
from smaragdine.figures import theme
from smaragdine.similarity import asss, assw, correlation, stefs

Curve: TypeAlias = dict[int, float | None]

THINNED, AGAIN = "same trace, thinned", "recorded again"
WITHIN, BESIDE, ALL = "against one of them", "against one that is not", "against all"

_ASSS, _ASSW, _STABILITY = (PUBLISHED[name].values() for name in ("asss", "assw", "stability"))
# The paper's own bounds: "oscillates between 0.90 and 0.94", "high, between 0.97 and 0.99", "strong" from 0.7.
PLATEAU, WIDENED, STRONG = 0.90, 0.97, 0.7

SPARSING = Claim(
    "ASSS: reading power less often, at 6 to 36 ms, hardly changes the STEF (r ≥ 0.9)", "§5.4.1, Figure 7a",
    f"{min(_ASSS):.2f} … {max(_ASSS):.2f}, each period a recording of its own", "method",
)  # fmt: skip
WIDENING = Claim(
    "ASSW: the STEF of more experiments is that of one (r ≥ 0.97)", "§5.4.1, Figure 7b",
    f"{min(_ASSW):.3f} … {max(_ASSW):.4f} for 2 … 10 experiments", "method",
)  # fmt: skip
STABILITY = Claim(
    "Stability: experiments of the same thing are strongly correlated (r > 0.7)", "§5.4.2, Figure 8",
    f"{min(_STABILITY)} … {max(_STABILITY)} between 10 experiments", "method",
)  # fmt: skip


def conduct(bench: Bench) -> list[Finding]:
    scale = bench.scale
    all_runs = bench.runs(bench.known_power, scale.runs * scale.experiments)
    own = basis(all_runs)
    experiments = [Runs(all_runs.traces[first : first + scale.runs]) for first in range(0, len(all_runs), scale.runs)]
    footprints = [passes(runs) for runs in experiments]

    sparse = sparsing(bench, experiments[0])
    _curves(bench, "asss", "period in ms", sparse)
    wide = widening(footprints)
    _curves(bench, "assw", "experiments", wide)
    tables = stefs(footprints)
    pairs = [[correlation(one, other) for other in tables] for one in tables]
    names = [chr(ord("a") + index) for index in range(len(experiments))]
    bench.table("stability", ("", *names), [(name, *row) for name, row in zip(names, pairs, strict=True)])
    heat_map = matrix(pairs, names, "Similarity of experiments", unit="r", modelled=False, text="{:.3f}".format)
    bench.figure("stability", heat_map, picture=True)

    others = [value for i, row in enumerate(pairs) for value in row[:i]]
    told = {name: _range(values.values()) for name, values in (sparse | wide).items()}
    return [
        SPARSING.found(
            f"{told[THINNED]} thinning the same trace; {told[AGAIN]} recorded again at each period, with "
            f"{_range(others)} between experiments at one period",
            own,
            _least(sparse[THINNED].values()) >= PLATEAU,
        ),
        WIDENING.found(
            f"{told[WITHIN]} against one of them; {told[BESIDE]} against one that is not; {told[ALL]} against all; "
            f"2 … {len(experiments)} experiments",
            own,
            _least(wide[WITHIN].values()) >= WIDENED,
        ),
        STABILITY.found(
            f"{_range(others)} between {len(experiments)} experiments of {scale.runs} runs",
            own,
            _least(others) > STRONG,
        ),
    ]


def sparsing(bench: Bench, default: Runs) -> dict[str, Curve]:
    """Similarity with the default experiment by period: of its own traces thinned, and of an experiment so recorded.

    The second differs from the first by what recording anew changes.
    """
    reference = passes(default)
    kept = bench.folder / "thinned"
    same = {
        period: passes(Runs(tuple(thinned(one, kept / f"{period}ms" / one.path.name, period) for one in default)))
        for period in bench.scale.periods_ms
    }
    again = {
        period: passes(bench.runs(replace(bench.known_power, period_ms=period))) for period in bench.scale.periods_ms
    }
    return {THINNED: asss(reference, same), AGAIN: asss(reference, again)}


def widening(footprints: Sequence[RunsFootprint]) -> dict[str, Curve]:
    """Similarity by number of experiments pooled: with the first of them, with one that is left out, and with all.

    The first shares its noise with the pool, and all of them do more so the larger the pool; the paper does not say
    which it took.
    """
    every = RunsFootprint(tuple(one for footprint in footprints for one in footprint.footprints))
    return {
        WITHIN: assw(footprints[0], footprints),
        BESIDE: assw(footprints[-1], footprints[:-1]),
        ALL: assw(every, footprints),
    }


def _curves(bench: Bench, name: str, what: str, curves: dict[str, Curve]) -> None:
    published: Curve = {int(place): value for place, value in PUBLISHED[name].items()}
    places = sorted({place for curve in curves.values() for place in curve})
    rows = [(place, *(curve.get(place) for curve in curves.values()), published.get(place)) for place in places]
    bench.table(name, (what, *curves, "published"), rows)
    figure = go.Figure()
    for (label, curve), colour in zip((curves | {"published": published}).items(), theme.DOMAINS, strict=False):
        dash = "dot" if curve is published else "solid"
        figure.add_scatter(
            x=list(curve),
            y=list(curve.values()),
            mode="lines+markers",
            name=label,
            line={"color": colour, "dash": dash},
        )
    theme.dress(
        figure,
        f"Accounting similarity ({name.upper()})",
        modelled=False,
        height=420,
        showlegend=True,
        legend=theme.LEGEND,
        margin={"l": 60, "b": 56, "t": 70},
        xaxis=theme.axis(what),
        yaxis=theme.axis("r with the default experiment"),
    )
    bench.figure(name, figure, picture=True)


def _least(values: Iterable[float | None]) -> float:
    return min((value for value in values if value is not None), default=math.nan)


def _range(values: Iterable[float | None]) -> str:
    known = [value for value in values if value is not None]
    told = list(dict.fromkeys(f"{value:.4f}" for value in (min(known), max(known)))) if known else ["–"]
    return " … ".join(told)


if __name__ == "__main__":
    sys.exit(run(__doc__, "precision", conduct))
