"""A trace as Perfetto and chrome://tracing open it: lanes of events, steps, and power as counters.

The format is Chrome's JSON trace events (https://perfetto.dev/docs/getting-started/other-formats): `ts` and `dur` in
microseconds, from the start of the recording.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from smaragdine.trace.trace import Trace

# Process numbers: readings and steps first, then a process for each device.
_POWER, _STEPS, _DEVICES = 1, 2, 10


def trace_events(trace: Trace, policy: str = "equal") -> Iterator[dict[str, Any]]:
    """Every event, step and reading as one trace event; an operation tells the mean joules of its executions."""
    origin_ns = trace.metadata.start_ns

    def us(at_ns: int) -> float:
        return (at_ns - origin_ns) / 1e3

    yield _named("process_name", _POWER, 0, "power")
    for name, readings in trace.readings.items():
        watts = readings.power_w
        for start_ns, power_w in zip(readings.start_ns.tolist(), watts.tolist(), strict=True):
            if power_w == power_w:  # an unknown power is a hole, no zero
                yield {"ph": "C", "pid": _POWER, "name": f"{name} (W)", "ts": us(start_ns), "args": {"watts": power_w}}

    yield _named("process_name", _STEPS, 0, "steps")
    for step in trace.steps:
        yield {
            "ph": "X", "pid": _STEPS, "tid": 0, "name": f"step {step.step}", "cat": "step", "ts": us(step.start_ns),
            "dur": (step.end_ns - step.start_ns) / 1e3,
            "args": {"traced": step.traced, "joules": step.energy_j, **step.metrics},
        }  # fmt: skip
    yield from _operations(trace, policy, origin_ns)


def _operations(trace: Trace, policy: str, origin_ns: int) -> Iterator[dict[str, Any]]:
    mean_j = {row.op: row.energy_j / row.count for row in trace.footprint(policy) if row.count}
    lanes = trace.rows("select distinct device, lane from events order by device, lane")
    processes = {device: _DEVICES + i for i, device in enumerate(dict.fromkeys(device for device, _ in lanes))}
    for device, pid in processes.items():
        yield _named("process_name", pid, 0, device)
    for device, lane in lanes:
        yield _named("thread_name", processes[device], lane, f"{device} lane {lane}")
    for step in trace.rows("select distinct step from events order by step"):
        # A step at a time: a long trace need not fit into memory.
        events = trace.rows(
            "select device, lane, kind, start_ns, end_ns, step, op, qtn, layer, type, phase "
            "from events join ops using (op) where step is not distinct from ? order by start_ns",
            *step,
        )
        for device, lane, kind, start_ns, end_ns, number, op, qtn, layer, type_, phase in events:
            yield {
                "ph": "X", "pid": processes[device], "tid": lane, "name": type_ or qtn, "cat": f"{kind},{phase}",
                "ts": (start_ns - origin_ns) / 1e3, "dur": (end_ns - start_ns) / 1e3,
                "args": {"qtn": qtn, "layer": layer, "phase": phase, "step": number,
                         "mean_joules_per_execution": mean_j.get(op)},
            }  # fmt: skip


def _named(kind: str, pid: int, tid: int, name: str) -> dict[str, Any]:
    return {"ph": "M", "pid": pid, "tid": tid, "name": kind, "args": {"name": name}}
