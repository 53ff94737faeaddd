"""Records one subject in one way, prints its score: python -m experiments.coverage.in_torch.cell MODEL WAY TRACE"""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path

import torch

import smaragdine
from experiments.coverage.score import Score, score
from smaragdine import Trace

from .subjects import BATCH, SUBJECTS
from .ways import prepared, step_of

# The first two steps compile and warm up; two windows follow.
STEPS, WINDOW, EVERY = 8, 2, 3


def record(name: str, way: str, output: Path) -> Score:
    subject = SUBJECTS[name]()
    layers = subject.layers
    if name == "lightning":
        from .lit import fit

        output = fit(subject, way, STEPS, output, WINDOW, EVERY)
        layers |= {"lit"}
    else:
        model = prepared(subject, way)
        step = step_of(subject, model, way)
        with smaragdine.record(output, model=model, window=WINDOW, every=EVERY) as recording:
            for _ in range(STEPS):
                with recording.step(samples=BATCH):
                    step()
        output = recording.path or output
    return score(Trace.open(output), layers)


def main(model: str, way: str, output: str) -> None:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    try:
        result = dataclasses.asdict(record(model, way, Path(output)))
    except Exception as error:  # noqa: BLE001  whatever fails is this cell's result
        result = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(result))


if __name__ == "__main__":
    main(*sys.argv[1:])
