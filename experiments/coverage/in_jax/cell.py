"""Records one subject in one way, prints its score: python -m experiments.coverage.in_jax.cell MODEL WAY TRACE"""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path

import jax

import smaragdine
from experiments.coverage.score import score
from smaragdine import Trace

from .subjects import BATCH, SUBJECTS, Subject
from .ways import WAYS, optimizer, targets

# The first two steps compile and warm up; two windows follow.
STEPS = 8


def record(subject: Subject, way: str, output: Path) -> Path:
    step = jax.jit(WAYS[way](subject), donate_argnums=(0, 1))
    parameters, state = subject.parameters, optimizer().init(subject.parameters)
    labels = targets()
    with smaragdine.record(output, model=subject.model, window=2, every=3) as recording:
        for _ in range(STEPS):
            with recording.step(samples=BATCH):
                parameters, state, loss = step(parameters, state, subject.examples, labels)
                loss.block_until_ready()
    return recording.path or output


def main(model: str, way: str, output: str) -> None:
    try:
        subject = SUBJECTS[model]()
        result = dataclasses.asdict(score(Trace.open(record(subject, way, Path(output))), subject.layers))
    except Exception as error:  # noqa: BLE001  whatever fails is this cell's result
        result = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(result))


if __name__ == "__main__":
    main(*sys.argv[1:])
