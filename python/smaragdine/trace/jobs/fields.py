"""What `trace.json` tells of a job."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from smaragdine.accounts.row import sum_known
from smaragdine.trace.jobs.merging import Merged
from smaragdine.trace.jobs.part import Part
from smaragdine.trace.metadata import SourceReport
from smaragdine.trace.metric import Metric
from smaragdine.trace.seal import SEAL

# Of more machines than this, how many more there are.
_NAMED = 8


def fields(merged: Merged) -> dict[str, Any]:
    """What `trace.json` tells of a job, but for checksums and seal."""
    parts = merged.parts
    first = parts[0].metadata
    ends = [part.metadata.end_ns or part.metadata.start_ns for part in parts]
    labels = Counter(item for part in parts for item in part.metadata.labels.items())
    domains = [watch.domain for machine in merged.machines for watch in machine.registers]
    coverages = [part.metadata.coverage for part in parts]
    raw = dict(first.raw)
    return {
        "schema_version": raw["schema_version"],
        "recording": "merged",
        "state": "complete",
        "name": first.name,
        # What all ranks say is the job's.
        "labels": {name: value for (name, value), count in labels.items() if count == len(parts)},
        "start_ns": min(part.metadata.start_ns for part in parts),
        "end_ns": max(ends),
        "realtime_offset_ns": 0,
        "host": {**(raw.get("host", {}) if len(merged.machines) == 1 else {}), "name": _names(merged)},
        "hardware": _hardware(merged),
        "software": dict(first.software),
        "program": raw.get("program"),
        "devices": list(dict.fromkeys(device for part in parts for device in part.metadata.devices)),
        "domains": [asdict(domain) for domain in domains],
        "sources": _sources(parts),
        "share_source": first.share_source,
        "share_tick_ns": first.share_tick_ns,
        "options": {
            "merged": {
                "ranks": len({part.rank for part in parts}),
                "parts": seals(parts),
                "told": list(merged.told),
            }
        },
        "coverage": {
            "steps": sum(one.steps or 0 for one in coverages),
            "traced_steps": sum(one.traced_steps or 0 for one in coverages),
            "steps_s": sum(one.steps_s or 0.0 for one in coverages),
            "traced_s": sum(one.traced_s or 0.0 for one in coverages),
        },
        "metrics": [asdict(one) for one in _metrics(parts)],
        "hidden_operations": sorted({name for part in parts for name in part.metadata.hidden_operations}),
        "profiling": [],
        "clock_changes": [],
        "warnings": [*merged.told, *merged.warnings],
        "log": [],
    }


def seals(parts: Sequence[Part]) -> list[dict[str, Any]]:
    """Of what a job was made: changed as soon as one of them is."""
    return [
        {"host": part.host, "rank": part.rank, "attempt": part.attempt, SEAL: part.metadata.raw.get(SEAL)}
        for part in parts
    ]


def _sources(parts: Sequence[Part]) -> list[dict[str, Any]]:
    """How well each was sampled by all who recorded: ticks add, periods are the longest."""
    told: dict[str, list[SourceReport]] = {}
    for part in parts:
        for one in part.metadata.sources:
            told.setdefault(one.name, []).append(one)
    return [
        {
            "name": name,
            "period_ns": max(one.period_ns for one in own),
            "measured_period_ns": max(one.measured_period_ns or 0 for one in own) or None,
            **{count: sum(getattr(one, count) for one in own) for count in ("ticks", "missed_ticks", "failed_reads")},
            "lateness_p50_ns": max(
                (one.lateness_p50_ns for one in own if one.lateness_p50_ns is not None), default=None
            ),
            "lateness_p99_ns": max(
                (one.lateness_p99_ns for one in own if one.lateness_p99_ns is not None), default=None
            ),
            "cpu_s": sum_known(one.cpu_s for one in own),
        }
        for name, own in told.items()
    ]


def _metrics(parts: Sequence[Part]) -> list[Metric]:
    """What each is; why it could not be sampled, where no rank could."""
    told: dict[str, Metric] = {}
    for part in parts:
        for one in part.metadata.metrics:
            if one.name not in told or (told[one.name].problem and not one.problem):
                told[one.name] = one
    return list(told.values())


def _names(merged: Merged) -> str:
    names = ", ".join(machine.name for machine in merged.machines[:_NAMED])
    more = len(merged.machines) - _NAMED
    return names + (f" and {more} more" if more > 0 else "")


def _hardware(merged: Merged) -> dict[str, Any]:
    """All machines' together: CPUs, memory and GPUs add up."""
    every = [machine.parts[0].metadata.hardware for machine in merged.machines]
    cpus = Counter(one.cpu for one in every if one.cpu)
    gpus = {
        (machine.name, gpu.uuid or gpu.index): gpu
        for machine in merged.machines
        for part in machine.parts
        for gpu in part.metadata.hardware.gpus
    }
    told: dict[str, Any] = {
        "cpu": ", ".join(f"{count} × {cpu}" if len(every) > 1 else cpu for cpu, count in cpus.items()) or None,
        "gpus": [{**asdict(gpu), "index": number} for number, gpu in enumerate(gpus.values())],
    }
    for name in ("sockets", "logical_cpus", "memory_bytes"):
        told[name] = sum_known(getattr(one, name) for one in every)
        told[name] = None if told[name] is None else int(told[name])
    return told
