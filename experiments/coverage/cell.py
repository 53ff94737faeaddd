"""Records one model in one mode and prints its score as JSON: python -m experiments.coverage.cell MODEL MODE TRACE"""

from __future__ import annotations

import dataclasses
import json
import os
import sys
from pathlib import Path

# TensorFlow reads this when it is imported.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from smaragdine import Trace

from .models import SUBJECTS
from .modes import MODES
from .score import score


def main(model: str, mode: str, output: str) -> None:
    try:
        recorded = MODES[mode](SUBJECTS[model], Path(output))
        result = dataclasses.asdict(score(Trace.open(recorded.trace), recorded.layers))
    except Exception as error:  # noqa: BLE001  whatever fails is this cell's result
        result = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(result))


if __name__ == "__main__":
    main(*sys.argv[1:])
