"""How often the GPU's registers move and how late: python -m experiments.gpu.registers SECONDS; prints JSON.

They are looked at about every millisecond, at rest and beside a load whose times are known.
"""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from experiments.gpu.lateness import first_reads, lateness_of_energy, lateness_of_power, updates
from experiments.gpu.nvml import AVERAGE_POWER, ENERGY, INSTANT_POWER, Gpu, Read

FIELDS = {"energy": ENERGY, "instant power": INSTANT_POWER, "average power": AVERAGE_POWER}
PERIOD_S = 0.001
SAMPLES_EVERY_S = 0.2
# Until a load has started its GPU.
PATIENCE_S = 90.0
AT_REST_S = 3.0

Looks = dict[str, list[tuple[float, float, Read]]]


def main(seconds: float) -> None:
    gpu = Gpu()
    told: dict[str, Any] = {"gpu": gpu.name(), "driver": gpu.driver()}
    at_rest, _ = watched(gpu, lambda until_s: time.monotonic() < until_s + AT_REST_S)
    told["at rest"] = {name: _moves(looks) for name, looks in at_rest.items()}
    with tempfile.TemporaryDirectory() as directory:
        ready = Path(directory) / "ready"
        command = [sys.executable, "-m", "experiments.gpu.load", str(ready), str(seconds)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as load:
            end_s = time.monotonic() + PATIENCE_S
            while not ready.exists() and load.poll() is None and time.monotonic() < end_s:
                time.sleep(0.05)
            looks, samples = watched(gpu, lambda began_s: load.poll() is None)
            assert load.stdout is not None
            busy_s = json.loads(load.stdout.read() or "[]")
    if not busy_s:
        raise RuntimeError(f"the load ended with {load.returncode} before it had told when it ran")
    told["at work"] = {name: beside(name, found, busy_s) for name, found in looks.items()}
    if samples:
        told["samples of the driver's buffer"] = of_samples(samples, busy_s)
    print(json.dumps(told))


def watched(gpu: Gpu, wanted: Callable[[float], bool]) -> tuple[Looks, dict[int, float]]:
    """What each field showed while it was `wanted`: when it was asked, when it answered, and what; and the samples of
    the driver's buffer."""
    looks: Looks = {name: [] for name in FIELDS}
    samples: dict[int, float] = {}
    began_s = next_s = time.monotonic()
    while wanted(began_s):
        for name, field in FIELDS.items():
            asked_s = time.monotonic()
            try:
                read = gpu.field(field)
            except OSError:
                continue
            looks[name].append((asked_s, time.monotonic(), read))
        if time.monotonic() >= next_s:
            next_s = time.monotonic() + SAMPLES_EVERY_S
            samples |= gpu.power_samples(max(samples, default=0))
        time.sleep(PERIOD_S / 2)
    return looks, samples


def _moves(looks: list[tuple[float, float, Read]]) -> dict[str, Any] | None:
    if not looks:
        return None
    asked, answered, reads = zip(*looks, strict=True)
    values = np.array([read.value for read in reads])
    stamps = np.array([read.timestamp_us for read in reads])
    offset_s = time.time() - time.monotonic()
    age_s = np.array(answered) + offset_s - stamps / 1e6
    found = updates(np.array(answered), values)
    stamped = updates(np.array(answered), stamps)
    return {
        "looks": len(looks),
        "call_us": 1e6 * float(np.median(np.array(answered) - np.array(asked))),
        "longest_call_us": 1e6 * float(np.max(np.array(answered) - np.array(asked))),
        "updates": dataclasses.asdict(found) if found else None,
        # Of every call a new one: the driver stamps calls, and not its updates.
        "stamps": dataclasses.asdict(stamped) if stamped else None,
        "stamp_age_ms": [1e3 * float(age) for age in np.quantile(age_s, [0.05, 0.5, 0.95])],
        "latency_us": float(np.median([read.latency_us for read in reads])),
        "smallest_step": float(np.min(np.abs(np.diff(values)[np.diff(values) != 0]))) if found else None,
    }


def beside(name: str, looks: list[tuple[float, float, Read]], busy_s: list[list[float]]) -> dict[str, Any] | None:
    """How a register followed a load that ran at these times."""
    told = _moves(looks)
    if told is None or told["updates"] is None:
        return told
    times_s = np.array([(asked + answered) / 2 for asked, answered, _ in looks])
    values = np.array([read.value for *_, read in looks]) / 1000
    moved_s, moved = first_reads(times_s, values)
    fitted = lateness_of_energy if name == "energy" else lateness_of_power
    told["lateness"] = dataclasses.asdict(fitted(moved_s, moved, np.array(busy_s)))
    return told


def of_samples(samples: dict[int, float], busy_s: list[list[float]]) -> dict[str, Any]:
    """How far apart the buffer's samples lie by their stamps, and how these followed the load."""
    offset_s = time.time() - time.monotonic()
    times_s = np.array(sorted(samples)) / 1e6 - offset_s
    power_w = np.array([samples[stamp] for stamp in sorted(samples)])
    between_ms = 1e3 * np.diff(times_s)
    inside = (times_s > busy_s[0][0] - 1) & (times_s < busy_s[-1][1])
    told: dict[str, Any] = {
        "samples": len(samples),
        "between_ms": [float(one) for one in np.quantile(between_ms, [0.05, 0.5, 0.95])] if len(between_ms) else None,
    }
    if inside.sum() > 20:
        told["lateness"] = dataclasses.asdict(lateness_of_power(times_s[inside], power_w[inside], np.array(busy_s)))
    return told


if __name__ == "__main__":
    main(float(sys.argv[1]))
