"""Trains in one framework, accounted live; python -m experiments.gpu.train torch|jax TRACE SECONDS [EVERY].

With EVERY, all steps are traced, in windows of so many; without it the recording's defaults decide. Prints what the
trace says as JSON, and keeps the first profiles as the profiler wrote them beside the trace, gzipped.
"""

from __future__ import annotations

import gzip
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import smaragdine
from smaragdine.daemon.messages import Format
from smaragdine.recording.channel import Channel

# The first steps compile, choose algorithms and fill caches.
WARM_UP_STEPS = 12
KEPT_PROFILES = 2

CLOSURE = """
select domain, sum(energy_j), any_value(read_j) from ledger
join (select domain, sum(energy_j) as read_j from readings group by domain) using (domain)
where policy = 'equal' group by domain
"""
READINGS = """
select domain, count(*), median(end_ns - start_ns) / 1e6, median(edge_uncertainty_ns) / 1e3, sum(energy_j),
    min(energy_j / nullif(end_ns - start_ns, 0)) * 1e9, max(energy_j / nullif(end_ns - start_ns, 0)) * 1e9
from readings group by domain order by domain
"""
PASSES = """
select device, phase, sum(time_s), sum(energy_j) from footprint join ops using (op)
where policy = 'equal' group by all order by 1, 2
"""
HOUSES = """
select device, layer, sum(time_s) from footprint join ops using (op)
where policy = 'equal' and layer in ('optimizer', 'loss', 'metrics', 'data', 'runtime', 'unknown') group by all
"""
COSTLIEST = """
select qtn, device, energy_j, energy_low_j, energy_high_j, time_s, count from footprint join ops using (op)
where policy = 'equal' order by energy_j desc limit 30
"""
LANES = """
select device, kind, count(distinct lane), count(*), sum(end_ns - start_ns) / 1e9 from events group by all order by 1, 2
"""


def main(framework: str, output: str, seconds: float, every: int = 0) -> None:
    if framework == "torch":
        model, size, step = _torch()
    else:
        model, size, step = _jax()
    keep_profiles(Path(output))
    for _ in range(WARM_UP_STEPS):
        step()
    step_s = []
    with smaragdine.record(output, model=model, window=every or "auto", every=every or "auto") as recording:
        end_s = time.monotonic() + seconds
        while time.monotonic() < end_s:
            began_s = time.monotonic()
            with recording.step(samples=size.batch, tokens=size.batch * size.tokens):
                step()
            step_s.append(time.monotonic() - began_s)
    print(json.dumps(told(recording.path or Path(output), step_s)))


def _torch() -> tuple[Any, Any, Callable[[], Any]]:
    from experiments.gpu.gpt import training

    return training()


def _jax() -> tuple[Any, Any, Callable[[], Any]]:
    from experiments.gpu.flax_gpt import training

    return None, *training()


def keep_profiles(trace: Path) -> None:
    """From now on, writes the first profiles that are sent beside the trace."""
    original = Channel.profile
    kept: list[Path] = []

    def profile(channel: Channel, format: Format, data: bytes) -> bool:
        if len(kept) < KEPT_PROFILES:
            path = trace.parent / f"{trace.name}-profile-{len(kept)}.{format.value}.gz"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(gzip.compress(data, 6))
            kept.append(path)
        return original(channel, format, data)

    setattr(Channel, "profile", profile)  # noqa: B010  mypy takes an assignment for a mistake


def told(path: Path, step_s: list[float]) -> dict[str, Any]:
    """What a trace says of itself, in plain numbers."""
    trace = smaragdine.Trace.open(path)
    raw = trace.metadata.raw
    traced = [row[0] for row in trace.sql("select (end_ns - start_ns) / 1e6 from steps where traced").fetchall()]
    untraced = [row[0] for row in trace.sql("select (end_ns - start_ns) / 1e6 from steps where not traced").fetchall()]
    ledger: dict[str, dict[str, float]] = {}
    for domain, entry, energy_j in trace.sql(
        "select domain, entry, energy_j from ledger where policy = 'equal' order by 1, 2"
    ).fetchall():
        ledger.setdefault(domain, {})[entry] = energy_j
    return {
        "steps": len(step_s),
        "traced_steps": len(traced),
        "step_ms": _median(untraced),
        "traced_step_ms": _median(traced),
        "domains": _rows(trace, READINGS, "domain readings median_ms edge_us energy_j least_w most_w"),
        "ledger_j": ledger,
        "ledger_closes_to": max(
            (abs(said / read - 1) for _, said, read in trace.sql(CLOSURE).fetchall() if read), default=None
        ),
        "lanes": _rows(trace, LANES, "device kind lanes events time_s"),
        "passes": _rows(trace, PASSES, "device phase time_s energy_j"),
        "without_layer": _rows(trace, HOUSES, "device layer time_s"),
        "costliest": _rows(trace, COSTLIEST, "qtn device energy_j low_j high_j time_s count"),
        "coverage": raw.get("coverage"),
        "sources": raw.get("sources"),
        "warnings": raw.get("warnings"),
        "gaps": len(raw.get("gaps") or ()),
    }


def _median(values: list[float]) -> float | None:
    return sorted(values)[len(values) // 2] if values else None


def _rows(trace: Any, query: str, names: str) -> list[dict[str, Any]]:
    return [dict(zip(names.split(), row, strict=True)) for row in trace.sql(query).fetchall()]


if __name__ == "__main__":
    framework, output, seconds, *every = sys.argv[1:]
    main(framework, output, float(seconds), *map(int, every))
