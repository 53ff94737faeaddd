"""The report's data step: everything that the page will say, as plain values. Nothing here knows HTML."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from smaragdine import figures
from smaragdine.energy import MEASURED
from smaragdine.figures import theme
from smaragdine.footprint import Footprint
from smaragdine.quantity import joules, number, percent, seconds
from smaragdine.report.methods import methods
from smaragdine.report.view import View
from smaragdine.runs import Runs, RunsFootprint
from smaragdine.table import Table
from smaragdine.trace import Trace

_VIEWS = ((None, "all passes, by layer"), ("forward", "forward pass"), ("backward", "backward pass"))

TOP = 12


@dataclass(frozen=True, slots=True)
class Recording:
    """What is told of each trace apart."""

    name: str
    facts: tuple[tuple[str, str], ...]
    ledger: Table
    sources: Table
    figures: dict[str, dict[str, Any]]
    """plotly figures as JSON values: `power`, `steps`."""
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Content:
    """The whole report."""

    title: str
    basis: str
    """`measured`, `modelled`, or both."""
    notice: str | None
    coverage: str
    tiles: tuple[tuple[str, str, str], ...]
    """Label, value, explanation."""
    totals: Table
    runs: Table | None
    views: tuple[View, ...]
    layers: Table
    figures: dict[str, dict[str, Any]]
    """Rankings of tensors: `stef` and `stpf`; `stef` and `tef` where power was modelled."""
    recordings: tuple[Recording, ...]
    methods: tuple[str, ...]

    @classmethod
    def of(cls, runs: Runs, *, policy: str = "equal") -> Content:
        for trace in runs:
            trace.require_readings()
        footprint = runs.footprint(policy)
        first = runs.traces[0]
        shown: Footprint | RunsFootprint = footprint if len(runs) > 1 else footprint.footprints[0]
        # Watts per operation mean nothing where power was modelled: there a ranking by power would be one of noise.
        rankings = ("stef", "tef") if shown.modelled else ("stef", "stpf")
        views = (View.of(runs.edd(phase, policy=policy), label) for phase, label in _VIEWS)
        return cls(
            title=first.name,
            basis=" and ".join(dict.fromkeys(domain.basis for domain in first.metadata.counted)) or MEASURED,
            notice=next((trace.notice for trace in runs if trace.notice), None),
            coverage="; ".join(dict.fromkeys(f.coverage.sentence() for f in footprint.footprints)),
            tiles=_tiles(first, footprint.footprints[0], len(runs)),
            totals=_totals(first, policy),
            runs=_runs(runs, policy) if len(runs) > 1 else None,
            views=tuple(view for view in views if view.levels),
            layers=Table.of_groups(shown.by("layer")[:TOP], "layer", len(runs)),
            figures={kind: theme.undressed(figures.ranking(shown, 10, kind=kind)) for kind in rankings},
            recordings=tuple(_recording(trace, policy) for trace in runs),
            methods=methods(first, policy),
        )


def _tiles(trace: Trace, footprint: Footprint, runs: int) -> tuple[tuple[str, str, str], ...]:
    of = "" if runs == 1 else " (first run)"
    tiles = [
        (f"{device}{of}", joules(energy_j), f"{basis}, everything on the machine")
        for device, energy in trace.totals().items()
        for basis, energy_j in energy
    ]
    tiles += [(f"operations{of}", joules(energy_j), f"{basis}, in traced steps") for basis, energy_j in footprint.total]
    hottest = footprint.summarize().top(1, "layer")
    if hottest:
        tiles.append(("hottest layer", percent(hottest[0].share), hottest[0].name))
    return tuple(tiles)


def _totals(trace: Trace, policy: str) -> Table:
    ledger = trace.ledger(policy)
    rows = []
    for domain in trace.metadata.domains:
        readings = trace.readings.get(domain.name)
        entries = ledger.domain(domain.name)
        rows.append(
            (
                domain.device,
                domain.name,
                domain.basis,
                joules(readings.total_j) if readings else "no readings",
                joules(entries["operations"]) if domain.counted and "operations" in entries else "–",
                "yes" if domain.counted else f"no: {domain.not_counted_because or 'another domain holds it'}",
            )
        )
    headers = ("device", "domain", "basis", "energy", "of it operations", "counted")
    return Table(headers, tuple(rows), frozenset({3, 4}))


def _runs(runs: Runs, policy: str) -> Table:
    rows = []
    for trace in runs:
        footprint = trace.footprint(policy)
        traced = footprint.coverage.traced_steps
        for basis, energy_j in trace.ledger(policy).total:
            operations_j = footprint.total[basis]
            per_step = joules(operations_j / traced) if traced else "–"
            rows.append((trace.name, basis, joules(energy_j), joules(operations_j), per_step))
    headers = ("run", "basis", "energy", "of it operations", "operations per traced step")
    return Table(headers, tuple(rows), frozenset({2, 3, 4}))


def _recording(trace: Trace, policy: str) -> Recording:
    return Recording(
        name=trace.name,
        facts=_facts(trace),
        ledger=Table.of_ledger(trace.ledger(policy)),
        sources=_sources(trace),
        figures={"power": _untitled(figures.power(trace)), "steps": _untitled(figures.steps(trace))},
        warnings=trace.metadata.warnings,
    )


def _untitled(figure: Any) -> dict[str, Any]:
    """For a place under a heading of its own."""
    content = theme.undressed(figure)
    content["layout"].pop("title")
    content["layout"]["margin"]["t"] = 36
    return content


def _facts(trace: Trace) -> tuple[tuple[str, str], ...]:
    metadata = trace.metadata
    started = dt.datetime.fromtimestamp(metadata.start_ns / 1e9, tz=dt.timezone.utc)
    facts = [
        ("started", started.strftime("%Y-%m-%d %H:%M:%S UTC")),
        ("lasted", seconds(metadata.duration_s)),
        ("host", _words(metadata.host)),
        ("hardware", _words(metadata.hardware)),
        ("software", _words(metadata.software)),
        ("labels", _words(metadata.labels)),
        ("steps", f"{len(trace.steps)}, {sum(step.traced for step in trace.steps)} of them traced"),
    ]
    if metadata.state == "cut":
        facts.append(("state", "cut: rebuilt from the journal of a recording that did not end"))
    hidden = len(metadata.hidden_operations)
    if hidden:
        facts.append(("hidden", f"{hidden} operations of the graph that the profiler did not show"))
    return tuple((name, value) for name, value in facts if value)


def _words(values: Any) -> str:
    """A mapping as people write it: `kernel 6.1, name node-7`."""
    parts = []
    for key, value in sorted(values.items()):
        if isinstance(value, list | tuple):
            value = ", ".join(map(str, value))
        if value not in ("", None):
            parts.append(f"{str(key).replace('_', ' ')} {value}")
    return "; ".join(parts)


def _sources(trace: Trace) -> Table:
    def ns(value: int | None) -> str:
        return seconds(None if value is None else value / 1e9)

    rows = tuple(
        (
            source.name,
            ", ".join(domain.name for domain in trace.metadata.domains if domain.source == source.name),
            ns(source.period_ns),
            ns(source.measured_period_ns),
            number(source.ticks),
            number(source.missed_ticks),
            number(source.failed_reads),
            ns(source.lateness_p50_ns),
            ns(source.lateness_p99_ns),
            seconds(source.cpu_s),
        )
        for source in trace.metadata.sources
    )
    headers = ("source", "domains", "period", "measured", "ticks", "missed", "failed", "late (median)", "late (99 %)",
               "CPU time")  # fmt: skip
    return Table(headers, rows, frozenset(range(2, len(headers))))
