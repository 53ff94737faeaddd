"""Replays the costliest operations of a traced training: python -m experiments.gpu.replay TRACE SECONDS COUNT.

Each runs for so many seconds by itself, with the tensors of every layer in turn, and the GPU's counter tells what a
call takes. Prints as JSON what the trace says of a call beside it.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from experiments.gpu.calls import Call, Place, calls_of, matched, plain_name
from experiments.gpu.gpt import device, synchronise, training
from experiments.gpu.nvml import Gpu
from smaragdine import Trace
from smaragdine.daemon.binary import find_binary

WARM_UP_STEPS = 12
# Before counting: clocks and temperature settle.
SETTLE_S = 0.4
# Beyond the seconds asked for, until the counter was seen to move.
MOST_PATIENCE_S = 5.0
# Calls in one graph, so that launching them leaves no gaps.
GRAPH_CALLS = 64
# What is called outside of the model.
OUTSIDE = ("optimizer", "loss", "data", "unknown")
POLICIES = ("equal", "deconvolved")

IN_ORDER = """
select op, qtn, layer, phase from events join ops using (op)
where device = '{device}' and step = {step} and kind <> 'wait' order by start_ns
"""
ENERGIES = """
select op, sum(energy_j), sum(energy_low_j), sum(energy_high_j), sum(time_s) from footprint
where policy = '{policy}' and device = '{device}' group by op
"""


class Operation(NamedTuple):
    """One of a step's operations, by its number in the trace."""

    op: int
    qtn: str
    place: Place


@dataclass
class Group:
    """Calls of one operation, most often with tensors of one form, and the trace's operations that they are."""

    forms: set[str] = field(default_factory=set)
    calls: list[Call] = field(default_factory=list)
    qtns: dict[int, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """`addmm (2048 bf16, …)`; of several forms the first, and how many there are."""
        first, *others = sorted(self.forms)
        return f"{first} and {len(others)} more" if others else first


def main(path: str, seconds: float, count: int) -> None:
    told = energies(Path(path))
    trace = Trace.open(path)
    model, _, step = training()
    for _ in range(WARM_UP_STEPS):
        step()
    synchronise()
    gpu = Gpu()
    calls = calls_of(model, step)
    synchronise()
    time.sleep(1.0)
    idle_w = _idle_w(gpu)
    on = "GPU:0" if device() == "cuda" else "CPU:0"
    operations = in_order(trace, on)
    groups = grouped(calls, operations)
    steps = trace.sql("select count(*) from steps where traced").fetchall()[0][0]
    equal = told["equal"]
    total_j = sum(energy_j for energy_j, *_ in equal.values())
    # Where no energy is the operations', the longest.
    by = 0 if total_j else 3
    ranked = sorted(groups, key=lambda group: -sum(equal[op][by] for op in group.qtns if op in equal))
    rows = []
    # What changes its tensors goes last: others are given them, too.
    for group in sorted(ranked[:count], key=lambda group: group.name.partition(" ")[0].endswith("_")):
        print(f"replaying {group.name} …", file=sys.stderr, flush=True)
        row = {"operation": group.name, "qtns": sorted(group.qtns.values())[:3], "calls_a_step": len(group.calls)}
        row |= in_situ(group, told, steps, total_j)
        try:
            # As below autograd, where the calls were told: parameters are changed in place.
            with torch.no_grad():
                row |= replayed(gpu, group.calls, seconds)
        except Exception as error:  # noqa: BLE001  the others are still to be replayed
            row["failed"] = f"{type(error).__name__}: {error}"
        rows.append(row)
    print(
        json.dumps(
            {
                "idle_w": idle_w,
                "device": on,
                "traced_steps": steps,
                "calls": len(calls),
                "operations": len(operations),
                "matched": sum(len(group.calls) for group in groups),
                "energy_with_call": sum(equal[op][0] for group in groups for op in group.qtns if op in equal)
                / (total_j or 1),
                "deconvolution": (trace.metadata.raw.get("coverage") or {}).get("deconvolution"),
                "rows": rows,
            }
        )
    )


def energies(path: Path) -> dict[str, dict[int, Sequence[float]]]:
    """By policy and operation: joules, their bounds, and seconds, on the device that is looked at."""
    on = "GPU:0" if device() == "cuda" else "CPU:0"
    subprocess.run([find_binary(), "account", path, "--policy", "deconvolved"], check=True, stdout=subprocess.DEVNULL)
    trace = Trace.open(path)
    rows = {policy: trace.sql(ENERGIES.format(policy=policy, device=on)).fetchall() for policy in POLICIES}
    return {policy: {op: values for op, *values in found} for policy, found in rows.items()}


def in_order(trace: Trace, on: str) -> list[Operation]:
    """The operations of a traced step in the middle, one after another."""
    steps = [row[0] for row in trace.sql("select step from steps where traced order by step").fetchall()]
    if not steps:
        return []
    rows = trace.sql(IN_ORDER.format(device=on, step=steps[len(steps) // 2])).fetchall()
    # Several kernels of one call, or a call with others within it, are one.
    rows = [row for before, row in zip([None, *rows], rows, strict=False) if row != before]
    return [
        Operation(op, qtn, Place("" if layer in OUTSIDE else layer, phase == "backward", plain_name(last_name(qtn))))
        for op, qtn, layer, phase in rows
    ]


def grouped(calls: Sequence[Call], operations: Sequence[Operation]) -> list[Group]:
    """Calls that are of one form, with their operations; forms that an operation has calls of several of are one."""
    pairs = matched([call.place for call in calls], [operation.place for operation in operations])
    by_name = matched([call.place.name for call in calls], [operation.place.name for operation in operations])
    if len(pairs) < len(by_name) / 2:
        # Modules are not told here: names have to do.
        pairs = by_name
    groups: dict[tuple[str, str], Group] = defaultdict(Group)
    for which, where in pairs:
        call, operation = calls[which], operations[where]
        group = groups[call.place.name, call.shapes]
        group.forms.add(f"{call.place.name} ({call.shapes})")
        group.calls.append(call)
        group.qtns[operation.op] = operation.qtn
    whole: list[Group] = []
    for group in groups.values():
        for other in [other for other in whole if other.qtns.keys() & group.qtns.keys()]:
            whole.remove(other)
            group = Group(other.forms | group.forms, other.calls + group.calls, other.qtns | group.qtns)
        whole.append(group)
    return whole


def last_name(qtn: str) -> str:
    """`gpt/blocks/0/up/addmm_1` → `addmm`: without the number of the call, which follows where a name repeats."""
    name = qtn.rpartition("/")[2]
    stem, _, number = name.rpartition("_")
    return stem if number.isdigit() and stem else name


def in_situ(group: Group, told: dict[str, dict[int, Sequence[float]]], steps: int, total_j: float) -> dict[str, Any]:
    """Joules of a call by each policy, in the training itself."""
    calls = max(steps * len(group.calls), 1)
    found: dict[str, Any] = {}
    for policy, by_op in told.items():
        rows = [by_op[op] for op in group.qtns if op in by_op]
        if not rows:
            continue
        energy_j, time_s = sum(row[0] for row in rows), sum(row[3] for row in rows)
        found[policy] = {"j": energy_j / calls, "s": time_s / calls, "share": energy_j / total_j if total_j else None}
        if all(row[1] is not None and row[2] is not None for row in rows):
            found[policy] |= {
                "low_j": sum(row[1] for row in rows) / calls,
                "high_j": sum(row[2] for row in rows) / calls,
            }
    return {"in_situ": found}


def replayed(gpu: Gpu, calls: Sequence[Call], seconds: float) -> dict[str, Any]:
    """Joules and seconds of a call while nothing else runs."""
    run, many, by_graph = _looped(calls)
    marks: list[tuple[float, float]] = []
    done = threading.Event()

    # What one round takes decides how many run between two looks at the clock.
    began_s = time.monotonic()
    run()
    synchronise()
    at_once = max(1, round(0.02 / max(time.monotonic() - began_s, 1e-6)))
    watcher = threading.Thread(target=_watch, args=(gpu, marks, done.is_set))
    counted: list[tuple[float, int]] = []
    total = 0
    clock_mhz = 0
    began_s = time.monotonic()
    end_s = began_s + SETTLE_S + seconds
    watcher.start()
    try:
        # Where the watcher is kept from looking, and has not seen the counter move twice, it takes longer.
        while (now_s := time.monotonic()) < end_s or (
            len(_settled(marks, began_s, now_s)) < 2 and now_s < end_s + MOST_PATIENCE_S
        ):
            counted.append((now_s, total))
            for _ in range(at_once):
                run()
            synchronise()
            total += at_once * many
        clock_mhz = gpu.clock_mhz()
        counted.append((time.monotonic(), total))
    finally:
        done.set()
        watcher.join()
    return {"replayed": per_call(marks, counted) | {"by_graph": by_graph, "clock_mhz": clock_mhz}}


def per_call(marks: Sequence[tuple[float, float]], counted: Sequence[tuple[float, int]]) -> dict[str, Any]:
    """From the counter's moves and the calls made by some moments: mean power between the first and last move that lie
    in the settled part, times what a call takes there. Pure."""
    moves = _settled(marks, counted[0][0], counted[-1][0])
    if len(moves) < 2:
        return {"j": None, "because": f"the counter moved {len(moves)} times"}
    (from_s, from_j), (to_s, to_j) = moves[0], moves[-1]
    times, totals = zip(*counted, strict=True)
    made = float(np.interp(to_s, times, totals) - np.interp(from_s, times, totals))
    return {
        "j": (to_j - from_j) / made,
        "s": (to_s - from_s) / made,
        "w": (to_j - from_j) / (to_s - from_s),
        "over_s": to_s - from_s,
        "moves": len(moves),
    }


def _settled(marks: Sequence[tuple[float, float]], began_s: float, ended_s: float) -> list[tuple[float, float]]:
    return [mark for mark in marks if began_s + SETTLE_S <= mark[0] <= ended_s]


def _watch(gpu: Gpu, moves: list[tuple[float, float]], done: Callable[[], bool]) -> None:
    """Notes when the counter moved, and to what, until `done`."""
    last = gpu.energy_j()
    while not done():
        energy_j = gpu.energy_j()
        if energy_j != last:
            moves.append((time.monotonic(), energy_j))
            last = energy_j
        time.sleep(0.001)


def _looped(calls: Sequence[Call]) -> tuple[Callable[[], Any], int, bool]:
    """What makes many calls at once, how many, and whether it is a CUDA graph."""
    order = [calls[place % len(calls)] for place in range(max(GRAPH_CALLS, len(calls)))]

    def plain() -> None:
        for call in order:
            call.again()

    if device() != "cuda":
        return plain, len(order), False
    stream = torch.cuda.Stream()
    try:
        with torch.cuda.stream(stream):
            plain()
        stream.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, stream=stream):
            plain()
    except Exception:  # noqa: BLE001  some operations cannot be captured: then one by one
        torch.cuda.synchronize()
        return plain, len(order), False
    return graph.replay, len(order), True


def _idle_w(gpu: Gpu, seconds: float = 2.0) -> float | None:
    """The mean power of the GPU that holds the model and does nothing."""
    moves: list[tuple[float, float]] = []
    end_s = time.monotonic() + seconds
    _watch(gpu, moves, lambda: time.monotonic() >= end_s)
    if len(moves) < 2:
        return None
    return (moves[-1][1] - moves[0][1]) / (moves[-1][0] - moves[0][0])


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), int(sys.argv[3]))
