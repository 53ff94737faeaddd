"""What the page of one run shows."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from smaragdine import figures
from smaragdine.accounts.quantity import seconds
from smaragdine.appendix.entry import Entry
from smaragdine.appendix.machine import chosen, sampled
from smaragdine.appendix.sheet import Sheet, written
from smaragdine.carbon.facts import rows, sentence
from smaragdine.carbon.formats.latex import bibliography
from smaragdine.carbon.logged import logged
from smaragdine.figures import theme
from smaragdine.text.table import Table
from smaragdine.trace.trace import Trace

TOP = 12
MOST_METRICS = 24


@dataclass(frozen=True, slots=True)
class RunPage:
    entry: Entry
    notices: tuple[str, ...]
    sentence: str
    statement: tuple[tuple[str, str], ...]
    facts: tuple[tuple[str, str], ...]
    sheets: tuple[tuple[str, Sheet], ...]
    """Under their headings."""
    figures: dict[str, dict[str, Any]]
    files: dict[str, bytes]
    """Further downloads, by their names from the site's root."""
    warnings: tuple[str, ...]

    @classmethod
    def of(cls, entry: Entry) -> RunPage:
        trace, statement = entry.trace, entry.cost.statement
        told = "No energy is known of this run: nothing was measured or modelled. That is not 0."
        files = {f"{entry.data}/steps.csv": written(_steps(trace))} if trace.steps else {}
        if statement:
            told = sentence(statement)
            files[f"{entry.data}/statement.json"] = statement.write("json", anonymous=entry.anonymous).encode("utf-8")
            files[f"{entry.data}/citation.bib"] = ("\n\n".join(bibliography(statement)) + "\n").encode("utf-8")
        return cls(
            entry=entry,
            notices=tuple(entry.told(one) for one in (trace.notice, trace.metadata.cut) if one),
            sentence=told,
            statement=tuple(rows(statement, anonymous=entry.anonymous)) if statement else (),
            facts=tuple(_facts(entry)),
            sheets=tuple(_sheets(entry)),
            figures={name: theme.undressed(figure) for name, figure in _figures(entry).items()},
            files=files,
            warnings=tuple(entry.told(one) for one in trace.metadata.warnings),
        )


def _facts(entry: Entry) -> list[tuple[str, str]]:
    metadata = entry.trace.metadata
    told = [("group", entry.group)]
    if not entry.anonymous:
        started = dt.datetime.fromtimestamp(metadata.start_ns / 1e9, tz=dt.timezone.utc)
        told += [
            ("name", metadata.name),
            ("folder", entry.trace.path.resolve().name),
            ("started", started.strftime("%Y-%m-%d %H:%M:%S UTC")),
            ("host", metadata.host.name or ""),
            ("labels", ", ".join(f"{label} {value}" for label, value in sorted(metadata.labels.items()))),
        ]
    told += [
        ("lasted", seconds(metadata.duration_s)),
        ("software", ", ".join(f"{name} {version}" for name, version in sorted(metadata.software.items()))),
        ("steps", f"{len(entry.trace.steps):,}, {sum(step.traced for step in entry.trace.steps):,} of them traced"),
        ("left out of means", entry.told(entry.left_out or "")),
    ]
    return [(name, value) for name, value in told if value]


def _sheets(entry: Entry) -> list[tuple[str, Sheet]]:
    trace = entry.trace
    found = []
    ledger = trace.ledger()
    if ledger.rows:
        sheet = Sheet.of(f"{entry.data}/ledger.csv", Table.of_ledger(ledger), ledger.to_dicts())
        found.append(("Where every joule went", sheet))
    footprint = trace.footprint()
    layers = footprint.summarize().by("layer")
    if layers:
        full = [
            {"layer": one.name, "basis": one.basis, "energy_j": one.energy_j, "energy_low_j": one.energy_low_j,
             "energy_high_j": one.energy_high_j, "time_s": one.time_s, "count": one.count, "share": one.share}
            for one in layers
        ]  # fmt: skip
        notes = [footprint.coverage.sentence()]
        if len(layers) > TOP:
            notes.append(f"The {TOP} costliest of {len(layers)} layers; the file holds all.")
        table = Table.of_groups(layers[:TOP], "layer")
        found.append(("Costliest layers", Sheet.of(f"{entry.data}/layers.csv", table, full, notes=notes)))
    return found


def _figures(entry: Entry) -> dict[str, Any]:
    trace = entry.trace
    drawn: dict[str, Any] = {}
    if trace.readings:
        drawn["power"] = figures.power(trace)
    if trace.steps:
        drawn["cumulative"] = figures.cumulative(trace)
        drawn["steps"] = figures.steps(trace)
    for place, metric in enumerate(entry.metrics[:MOST_METRICS]):
        points = [(float(one.step), one.value) for one in logged(trace, metric)]
        drawn[f"metric-{place}"] = figures.curves({metric: [points]}, metric, y=metric)
    machine = sampled(entry)
    for place, name in enumerate(chosen([machine])):
        drawn[f"machine-{place}"] = figures.curves({name: [machine[name]]}, name, x="second")
    return drawn


def _steps(trace: Trace) -> list[dict[str, Any]]:
    start_ns = trace.metadata.start_ns
    return [
        {
            "step": step.step, "epoch": step.epoch, "start_s": (step.start_ns - start_ns) / 1e9,
            "duration_s": step.duration_s, "traced": step.traced, "samples": step.samples,
            **{f"{domain}_j": step.energy_j[domain] for domain in sorted(step.energy_j)},
            **{f"metric_{metric}": step.metrics[metric] for metric in sorted(step.metrics)},
        }
        for step in trace.steps
    ]  # fmt: skip
