"""The report's data step: everything that the page will say, as plain values. Nothing here knows HTML."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go

from smaragdine import figures
from smaragdine.accounts.footprint import Footprints
from smaragdine.accounts.quantity import joules
from smaragdine.figures import theme
from smaragdine.report.columns import Columns
from smaragdine.report.hero import Hero, bases
from smaragdine.report.recording import Recording
from smaragdine.report.view import View
from smaragdine.text.methods import methods
from smaragdine.text.table import Table
from smaragdine.trace.runs import Runs

TOP = 12


@dataclass(frozen=True, slots=True)
class Content:
    """The whole report."""

    title: str
    basis: str
    """`measured`, `modelled`, or both."""
    notice: str | None
    hero: Hero
    coverage: tuple[str, ...]
    """A sentence for each run."""
    runs: Table | None
    operations: Columns
    """What views and the table of every operation are made of, in the page."""
    count: int
    """Runs."""
    views: tuple[View, ...]
    layers: Table
    tensors: Table
    figures: dict[str, dict[str, Any]]
    """plotly figures as JSON values, by kind: what is drawn of all runs together."""
    recordings: tuple[Recording, ...]
    methods: tuple[str, ...]

    @classmethod
    def of(cls, runs: Runs, *, policy: str = "equal") -> Content:
        runs.require_readings()
        footprint = runs.footprint(policy)
        first = runs.traces[0]
        names = footprint.summary()
        summary = footprint.folded(names)
        columns = Columns.of(runs, footprint, names)
        return cls(
            title=first.name,
            basis=bases(first),
            notice=runs.notice,
            hero=Hero.of(runs, footprint, summary, policy),
            coverage=tuple(one.coverage.sentence() for one in footprint.footprints),
            runs=_runs(runs, policy) if len(runs) > 1 else None,
            operations=columns,
            count=len(runs),
            views=tuple(View.all(columns, len(runs), bool(names.folds))),
            layers=Table.of_groups(footprint.by("layer")[:TOP], "layer", len(runs)),
            tensors=Table.of_groups(summary.by("op")[:TOP], "tensor", len(runs)),
            figures={kind: theme.undressed(figure) for kind, figure in _figures(runs, footprint, summary).items()},
            recordings=tuple(Recording.of(trace, policy, name) for trace, name in zip(runs, _names(runs), strict=True)),
            methods=methods(first, policy),
        )


def _figures(runs: Runs, shown: Footprints, summary: Footprints) -> dict[str, go.Figure]:
    drawn = {
        "phases": figures.phases(shown),
        "layers": figures.ranking(summary, 10, kind="stef-layers"),
        "stef": figures.ranking(summary, 10, kind="stef"),
    }
    # Watts per operation mean nothing where power was modelled: a ranking by power would be one of noise.
    if not shown.modelled:
        drawn["stpf"] = figures.ranking(summary, 10, kind="stpf")
    drawn["scatter"] = figures.scatter(shown)
    if any(trace.flops() for trace in runs):
        drawn["flops"] = figures.scatter(runs, "flops")
    if len(runs) > 1:
        drawn["similarity"] = figures.similarity(runs)
    return drawn


def _names(runs: Runs) -> list[str]:
    """Runs of the same thing often have the same name."""
    if len(runs) == 1:
        return [runs.traces[0].name]
    return [f"{place}. {trace.name}" for place, trace in enumerate(runs, 1)]


def _runs(runs: Runs, policy: str) -> Table:
    rows = []
    for trace, name in zip(runs, _names(runs), strict=True):
        footprint = trace.footprint(policy)
        traced = footprint.coverage.traced_steps
        for basis, energy_j in trace.ledger(policy).total:
            operations_j = footprint.total[basis]
            per_step = joules(operations_j / traced) if traced else "–"
            rows.append((name, basis, joules(energy_j), joules(operations_j), per_step))
    headers = ("run", "basis", "energy", "of it operations", "operations per traced step")
    return Table(headers, tuple(rows), frozenset({2, 3, 4}))
