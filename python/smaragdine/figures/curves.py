"""What runs logged as they went, by group: the mean as a line, its standard error as a band."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from smaragdine.accounts.sample import Sample
from smaragdine.figures import theme

MOST_POINTS = 600
_DASHES = ("solid", "dash", "dot", "dashdot")

Series = Sequence[tuple[float, float]]
"""Where (a step, a second), and the value there."""


@dataclass(frozen=True, slots=True)
class Curve:
    """One group: at each place the values of the runs that have one there."""

    name: str
    runs: int
    points: tuple[tuple[float, Sample], ...]

    @classmethod
    def of(cls, name: str, series: Sequence[Series]) -> Curve:
        """Values that are no numbers are left out; beyond MOST_POINTS places, every n-th is kept, and the last."""
        at: dict[float, list[float]] = {}
        for one in series:
            for place, value in one:
                at.setdefault(place, []).append(value)
        samples = ((place, Sample.of(at[place])) for place in sorted(at))
        known = [(place, sample) for place, sample in samples if sample.n]
        stride = -(-len(known) // MOST_POINTS) or 1
        kept = known[::stride]
        if known and kept[-1] != known[-1]:
            kept.append(known[-1])
        return cls(name, len(series), tuple(kept))


def curves(
    groups: Mapping[str, Sequence[Series]], title: str, *, x: str = "step", y: str = "", subtitle: str = ""
) -> go.Figure:
    """A line for each group; where only one of its runs has a value there is no band."""
    figure = go.Figure()
    drawn = [Curve.of(name, series) for name, series in groups.items()]
    drawn = [curve for curve in drawn if curve.points]
    band = False
    for place, curve in enumerate(drawn):
        colour = theme.DOMAINS[place % len(theme.DOMAINS)]
        places = [at for at, _ in curve.points]
        means = [sample.mean or 0.0 for _, sample in curve.points]
        if any(sample.n > 1 for _, sample in curve.points):
            band = True
            errors = [sample.se or 0.0 for _, sample in curve.points]
            high = [mean + error for mean, error in zip(means, errors, strict=True)]
            low = [mean - error for mean, error in zip(means, errors, strict=True)]
            figure.add_scatter(
                x=places + places[::-1], y=high + low[::-1], fill="toself", mode="lines", line={"width": 0},
                fillcolor=theme.faint(colour), hoverinfo="skip", showlegend=False,
            )  # fmt: skip
        counts = [sample.n for _, sample in curve.points]
        figure.add_scatter(
            x=places, y=means, mode="lines+markers" if len(places) <= 30 else "lines",
            name=theme.safe(theme.shorten(curve.name, 28)), customdata=counts,
            line={"color": colour, "width": 2, "dash": _DASHES[place // len(theme.DOMAINS) % len(_DASHES)]},
            marker={"size": 5}, hovertemplate=f"{x} %{{x}}: %{{y:.4g}}, of %{{customdata}}",
        )  # fmt: skip
    if not drawn:
        theme.say(figure, "nothing was logged that is a number")
    told = "; ".join(part for part in (subtitle, "band: standard error of the mean" if band else "") if part)
    return theme.dress(
        figure,
        theme.shorten(title, 60),
        subtitle=told,
        modelled=False,
        height=340,
        showlegend=len(drawn) > 1,
        xaxis=theme.axis(x, visible=bool(drawn)),
        yaxis=theme.axis(theme.safe(theme.shorten(y, 40)), visible=bool(drawn)),
        legend=theme.LEGEND,
        margin={"l": 64, "b": 52, "t": 64},
    )
