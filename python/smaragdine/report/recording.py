"""What the report tells of each trace apart: what ran where, its ledger, power, steps, and how well it was sampled."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from smaragdine import figures
from smaragdine.accounts.machine import Hardware, Host
from smaragdine.accounts.quantity import joules, number, seconds
from smaragdine.figures import theme
from smaragdine.report.record import Record
from smaragdine.text.ranks import of_hosts, of_ranks
from smaragdine.text.table import Table
from smaragdine.trace.jobs.rank import hosts, ranks
from smaragdine.trace.trace import Trace


@dataclass(frozen=True, slots=True)
class Recording:
    name: str
    facts: tuple[tuple[str, str], ...]
    totals: Table
    ledger: Table
    sources: Table
    sensors: Table
    figures: dict[str, dict[str, Any]]
    """plotly figures as JSON values: `power`, `steps`, `progress` where a metric was logged, and `ranks` of a job."""
    warnings: tuple[str, ...]
    record: Record
    ranks: Table | None
    """The processes of a job; None of a trace that is no job's, as its hosts."""
    hosts: Table | None

    @classmethod
    def of(cls, trace: Trace, policy: str, name: str) -> Recording:
        drawn = {"power": figures.power(trace), "steps": figures.steps(trace)}
        if any("loss" in step.metrics for step in trace.steps):
            drawn["progress"] = figures.progress(trace)
        if trace.parts:
            drawn["ranks"] = figures.ranks(trace, policy=policy)
        ledger = trace.ledger(policy)
        return cls(
            name=name,
            facts=_facts(trace),
            totals=_totals(trace, policy),
            ledger=Table.of_ledger(ledger.to_be_read()),
            sources=_sources(trace),
            sensors=_sensors(trace),
            figures={kind: theme.undressed(figure) for kind, figure in drawn.items()},
            warnings=trace.metadata.warnings,
            record=Record.of(trace),
            ranks=of_ranks(ranks(trace.parts, policy)) if trace.parts else None,
            hosts=of_hosts(hosts(ledger)) if trace.parts else None,
        )


def _facts(trace: Trace) -> tuple[tuple[str, str], ...]:
    metadata = trace.metadata
    started = dt.datetime.fromtimestamp(metadata.start_ns / 1e9, tz=dt.timezone.utc)
    facts = [
        ("started", started.strftime("%Y-%m-%d %H:%M:%S UTC")),
        ("lasted", seconds(metadata.duration_s)),
        ("host", _words(_told(metadata.host))),
        ("hardware", _words(_told(metadata.hardware))),
        ("software", _words(metadata.software)),
        ("labels", _words(metadata.labels)),
        ("steps", f"{len(trace.steps)}, {sum(step.traced for step in trace.steps)} of them traced"),
    ]
    if metadata.cut:
        facts.append(("state", metadata.cut))
    hidden = len(metadata.hidden_operations)
    if hidden:
        operations = "one operation" if hidden == 1 else f"{hidden} operations"
        facts.append(("hidden", f"{operations} of the graph that the profiler did not show"))
    return tuple((name, value) for name, value in facts if value)


def _told(machine: Host | Hardware) -> dict[str, Any]:
    return {name: getattr(machine, name) for name in machine.__dataclass_fields__}


def _words(values: Mapping[str, Any]) -> str:
    """A mapping as people write it: `kernel 6.1, name node-7`."""
    parts = []
    for key, value in sorted(values.items()):
        if isinstance(value, list | tuple):
            value = ", ".join(map(str, value))
        if value not in ("", None):
            parts.append(f"{str(key).replace('_', ' ')} {value}")
    return "; ".join(parts)


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


def _nanoseconds(value: int | None) -> str:
    return seconds(None if value is None else value / 1e9)


def _sources(trace: Trace) -> Table:
    rows = tuple(
        (
            source.name,
            ", ".join(domain.name for domain in trace.metadata.domains if domain.source == source.name),
            _nanoseconds(source.period_ns),
            _nanoseconds(source.measured_period_ns),
            number(source.ticks),
            number(source.missed_ticks),
            number(source.failed_reads),
            _nanoseconds(source.lateness_p50_ns),
            _nanoseconds(source.lateness_p99_ns),
            seconds(source.cpu_s),
        )
        for source in trace.metadata.sources
    )
    headers = ("source", "domains", "period", "measured", "ticks", "missed", "failed", "late (median)", "late (99 %)",
               "CPU time")  # fmt: skip
    return Table(headers, rows, frozenset(range(2, len(headers))))


def _sensors(trace: Trace) -> Table:
    sensors = [sensor for source in trace.metadata.sources for sensor in source.sensors]
    rows = tuple(
        (
            sensor.domain,
            _nanoseconds(sensor.update_ns),
            _nanoseconds(sensor.read_ns),
            "–" if sensor.lag_ns is None else f"{_nanoseconds(sensor.lag_ns)} ± {_nanoseconds(sensor.lag_error_ns)}",
            _nanoseconds(sensor.window_ns),
        )
        for sensor in sensors
    )
    headers = ("register", "updated every", "a read takes", "late by", "looks at the last")
    return Table(headers, rows, frozenset(range(1, len(headers))))
