"""What the report tells of what ran: its command and source code, its packages, and what it used of the machine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from smaragdine.accounts.quantity import number, percent, seconds
from smaragdine.text.table import Table
from smaragdine.trace.trace import Trace

# Of these a trace holds what was used since some moment: what the run used is a difference.
_COUNTERS = ("cpu_time", "disk_read", "disk_written", "network_received", "network_sent")
_SUMMARY = (
    "select metric, scope, arg_max(value, time_ns) - arg_min(value, time_ns), avg(value), max(value) "
    "from metrics group by all order by all"
)
_LONGEST = 500


@dataclass(frozen=True, slots=True)
class Record:
    facts: tuple[tuple[str, str], ...]
    packages: Table
    metrics: Table

    @classmethod
    def of(cls, trace: Trace) -> Record:
        program, units = trace.metadata.program, {one.name: one.unit for one in trace.metadata.metrics}
        packages = program.packages.items() if program else ()
        return cls(
            facts=tuple(_facts(trace)),
            packages=Table(("package", "version"), tuple(sorted(packages)), frozenset()),
            metrics=Table(
                ("metric", "of", "in the mean", "at most"),
                tuple(_used(row, units.get(row[0], "")) for row in trace.rows(_SUMMARY)),
                frozenset({2, 3}),
            ),
        )


def _facts(trace: Trace) -> Iterator[tuple[str, str]]:
    metadata = trace.metadata
    if program := metadata.program:
        if program.command:
            command = " ".join(program.command)
            yield "command", command if len(command) <= _LONGEST else f"{command[:_LONGEST]}…"
        yield "commit", str(program.git) if program.git else "not known"
    if metadata.metrics_cpu_s is not None and metadata.duration_s:
        cost = percent(metadata.metrics_cpu_s / metadata.duration_s)
        yield "metrics", f"sampling them took {seconds(metadata.metrics_cpu_s)} of CPU time, {cost} of a core"
    absent = [one for one in metadata.metrics if one.problem]
    for problem in dict.fromkeys(one.problem for one in absent if one.problem):
        yield "not sampled", f"{', '.join(one.name for one in absent if one.problem == problem)}: {problem}"


def _used(row: tuple[Any, ...], unit: str) -> tuple[str, str, str, str]:
    metric, scope, more, mean, most = row
    if metric in _COUNTERS:
        return metric, scope, f"{_value(more, unit)} in all", "–"
    return metric, scope, _value(mean, unit), _value(most, unit)


def _value(value: float, unit: str) -> str:
    if unit == "s":
        return seconds(value)
    for prefix, factor in (("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if abs(value) >= factor and unit != "1":
            return f"{value / factor:.3g} {prefix}{'B' if unit == 'bytes' else unit}"
    return f"{number(value) if value == round(value) else f'{value:.3g}'}{'' if unit == '1' else f' {unit}'}"
