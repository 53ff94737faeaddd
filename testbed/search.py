"""Runs of a made-up hyperparameter search: three learning rates, four seeds each."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from testbed import synthetic_trace

RATES = (("0.1", 1.0, 0.82), ("0.01", 1.25, 0.926), ("0.001", 1.3, 0.931))
"""Label, power beside the first, accuracy at the end."""
STEPS = 20


def write(
    directory: Path, program: synthetic_trace.Program | None = None, *, seeds: int = 4, **options: Any
) -> list[Path]:
    """A trace of each run, in `directory`, in the order of rates and seeds; options as `synthetic_trace.write` has.

    Without a program one operation, which is quick to read.
    """
    noise = random.Random(7)
    if program is None:
        program = synthetic_trace.Program()
        program.op("net", "MatMul", 1.0)
    paths = []
    for rate, power, accuracy in RATES:
        for seed in range(seeds):
            drawn, end = power * (1 + noise.gauss(0, 0.05)), accuracy + noise.gauss(0, 0.006)
            options_of_run = {"name": "bert-small", "power": drawn, "logged": _logged(noise, end)} | options
            labels = {"lr": rate, "seed": str(seed)}
            paths.append(
                synthetic_trace.write(
                    directory / f"lr{rate}-seed{seed}", program, overrides={"labels": labels}, **options_of_run
                )
            )
    return paths


def _logged(noise: random.Random, end: float) -> list[dict[str, float]]:
    """A loss of each step, an accuracy every fifth."""
    logged = []
    for step in range(STEPS):
        metrics = {"loss": 2.3 * 0.86**step + abs(noise.gauss(0, 0.02))}
        if step % 5 == 4:
            metrics["accuracy"] = end * (1 - 0.6 * 0.75**step)
        logged.append(metrics)
    return logged
