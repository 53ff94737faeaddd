"""One quantity of groups of runs: every run as a point, the mean with its standard error beside them."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import plotly.graph_objects as go

from smaragdine.accounts.sample import Sample
from smaragdine.accounts.unit import Unit
from smaragdine.figures import theme

_WIDTH = 0.3


def groups(
    samples: Mapping[str, Sample],
    title: str,
    unit: Unit,
    *,
    modelled: Collection[str] = (),
    subtitle: str = "",
    notice: str | None = None,
) -> go.Figure:
    """`modelled`: groups whose energy is modelled; they have open symbols."""
    known = {name: sample for name, sample in samples.items() if sample.n}
    figure = go.Figure()
    for place, (name, sample) in enumerate(known.items()):
        colour, open_ = theme.DOMAINS[place % len(theme.DOMAINS)], name in modelled
        offsets = [_WIDTH * ((i + 0.5) / sample.n - 0.5) for i in range(sample.n)]
        figure.add_scatter(
            x=[place + offset - 0.08 for offset in offsets], y=[value * unit.factor for value in sample.values],
            mode="markers", showlegend=False,
            marker={"color": colour, "size": 8, "opacity": 0.55, "symbol": "circle-open" if open_ else "circle"},
            hovertext=[f"{theme.safe(theme.shorten(name, 60))}: {unit.told(value)}" for value in sample.values],
            hovertemplate="%{hovertext}<extra></extra>",
        )  # fmt: skip
        figure.add_scatter(
            x=[place + 0.28], y=[(sample.mean or 0.0) * unit.factor], mode="markers", showlegend=False,
            marker={"color": colour, "size": 10, "symbol": "diamond-open" if open_ else "diamond"},
            error_y={"type": "data", "array": [(sample.se or 0.0) * unit.factor], "visible": sample.n > 1,
                     "thickness": 1.5, "width": 5},
            hovertext=f"{theme.safe(theme.shorten(name, 60))}: {unit.told(sample)}, mean of {sample.n}",
            hovertemplate="%{hovertext}<extra></extra>",
        )  # fmt: skip
    if not known:
        theme.say(figure, "not known of any run that finished")
    elif any(sample.n > 1 for sample in known.values()):
        theme.whiskers(figure, "standard error of the mean")
    names = [theme.safe(theme.shorten(name, 24)) for name in known]
    return theme.dress(
        figure,
        title,
        subtitle=subtitle,
        modelled=bool(known) and set(known) <= set(modelled),
        notice=notice,
        height=340,
        xaxis=theme.axis("", tickvals=list(range(len(names))), ticktext=names, range=[-0.6, len(names) - 0.4],
                         showgrid=False, visible=bool(known)),
        yaxis=theme.axis(unit.name, rangemode="tozero", visible=bool(known)),
        margin={"l": 64, "b": 56, "t": 52},
    )  # fmt: skip
