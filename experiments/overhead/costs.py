"""Both figures of slowdown, and CPU time, of whatever trains."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

from smaragdine import Trace

from .meter import WARM_UP, Meter
from .slowdown import alternating, own_cost, paired_ratio
from .turns import Turns, awaken


def costs(
    train: Callable[[Path, Meter | Turns], Path], minutes: float, pairs: int, block_s: float, directory: Path
) -> dict[str, Any]:
    """The costs at the defaults of a training of so long, then the ratio over blocks of about so many seconds."""
    meter = Meter(minutes)
    trace = Trace.open(train(directory / "own", meter))
    counted = trace.steps[WARM_UP : len(meter.own_s)]
    step_s = [step.duration_s for step in counted]
    offset_ns = trace.metadata.raw["realtime_offset_ns"]
    stops = [(start_ns + offset_ns, end_ns + offset_ns) for start_ns, end_ns in meter.stops_ns]
    stopping = [any(step.start_ns < end and start < step.end_ns for start, end in stops) for step in counted]
    own_s = meter.own_s[WARM_UP : WARM_UP + len(counted)]
    own = own_cost(step_s, [step.traced for step in counted], own_s, stopping)
    cpu = meter.cpu_time()

    order = alternating(pairs)
    turns = Turns(order, max(1, round(block_s / statistics.median(step_s))))
    try:
        train(directory / "turns", turns)
    finally:
        awaken()
    on_s, off_s = ([s for s, on in zip(turns.block_s, order, strict=True) if on is wanted] for wanted in (True, False))
    ratio = paired_ratio(on_s, off_s)
    return {
        "step_ms": 1e3 * statistics.median(step_s),
        "own": {**dataclasses.asdict(own), "fraction": own.fraction, "traced_share": own.traced_share},
        "paired": {**dataclasses.asdict(ratio), "steps_per_block": turns.steps},
        "cpu": {**dataclasses.asdict(cpu), "client_20s_s": cpu.client_s(20)},
    }
