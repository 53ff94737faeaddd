"""The ledger drawn: where every joule of the counted domains went."""

from __future__ import annotations

import statistics

import plotly.graph_objects as go

from smaragdine.accounts.energy import MODELLED
from smaragdine.accounts.ledger import ENTRIES, MEANINGS, Ledger
from smaragdine.accounts.quantity import joules, percent
from smaragdine.accounts.spread import deviation
from smaragdine.figures import theme
from smaragdine.figures.subject import traces
from smaragdine.trace.trace import Recorded


def ledger(subject: Recorded | Ledger, *, policy: str = "equal") -> go.Figure:
    """A bar for each entry and basis, stacked by domain; of several runs the mean, whiskers their deviation.

    Shares are of all energy of the same basis.
    """
    ledgers = [subject] if isinstance(subject, Ledger) else [trace.ledger(policy) for trace in traces(subject)]
    ledgers = [one.to_be_read() for one in ledgers]
    n = len(ledgers)
    # A domain that one run measured and another modelled is two: their joules are never added up.
    domains = list(dict.fromkeys((row.domain, row.basis) for one in ledgers for row in one.rows))
    bases = list(dict.fromkeys(basis for _, basis in domains))
    held = [{(row.domain, row.basis, row.entry): row.energy_j for row in one.rows} for one in ledgers]
    bars = [(entry, basis) for entry in ENTRIES for basis in bases]
    figure = go.Figure()
    for index, (domain, basis) in enumerate(domains):
        own = [(place, entry) for place, (entry, of) in enumerate(bars) if of == basis]
        values = [statistics.fmean(one.get((domain, basis, entry), 0.0) for one in held) for _, entry in own]
        figure.add_bar(
            y=[place for place, _ in own],
            x=values,
            orientation="h",
            width=0.6,
            name=theme.safe(f"{domain}, {basis}"),
            marker={"color": theme.DOMAINS[index % len(theme.DOMAINS)]},
            hovertext=[
                f"<b>{entry}</b>, {theme.safe(domain)}<br>{joules(value)} {basis}<br>{MEANINGS[entry]}"
                for (_, entry), value in zip(own, values, strict=True)
            ],
            hovertemplate="%{hovertext}<extra></extra>",
        )
    sums = [[sum(one.get((domain, basis, entry), 0.0) for domain, of in domains if of == basis) for one in held]
            for entry, basis in bars]  # fmt: skip
    means = [statistics.fmean(values) for values in sums]
    deviations = [statistics.stdev(values) if n > 1 else 0.0 for values in sums]
    totals = {basis: sum(mean for mean, (_, of) in zip(means, bars, strict=True) if of == basis) for basis in bases}
    longest = max((mean + sd for mean, sd in zip(means, deviations, strict=True)), default=0.0) or 1.0
    for place, ((_, basis), mean, sd) in enumerate(zip(bars, means, deviations, strict=True)):
        share = percent(mean / totals[basis]) if totals[basis] > 0 else "–"
        figure.add_annotation(
            x=max(mean, 0.0) + sd + 0.012 * longest, y=place, xanchor="left", showarrow=False,
            text=f"<b>{joules(mean)}</b> · {share}", font={"size": 11},
        )  # fmt: skip
    if n > 1:
        figure.add_scatter(
            x=means, y=list(range(len(bars))), mode="markers", marker={"opacity": 0}, hoverinfo="skip",
            showlegend=False, error_x={"type": "data", "array": deviations, "thickness": 1.2, "width": 4,
                                       "color": theme.INK},
        )  # fmt: skip
    if not domains:
        theme.say(figure, "no readings of a counted domain")
    theme.whiskers(figure, deviation(n) if n > 1 else None)
    modelled = MODELLED in bases
    names = [f"{entry}, {basis}" if len(bases) > 1 else entry for entry, basis in bars]
    told = " and ".join(
        f"{joules(totals[basis])} {basis}" if len(bases) > 1 else joules(totals[basis]) for basis in bases
    )
    return theme.dress(
        figure,
        f"Where every joule went{': ' * bool(told)}{told}",
        modelled=modelled,
        notice=next((one.notice for one in ledgers if one.notice), None),
        all_of_it=len(bases) == 1,
        height=150 + 34 * max(4, len(bars)),
        barmode="relative",
        xaxis=theme.axis("joules", range=[min(0.0, *means, 0.0), 1.22 * longest]),
        yaxis=theme.names(names),
        legend=theme.LEGEND | {"traceorder": "normal"},
        margin={"l": theme.room(names), "b": 52, "t": 64},
    )
