"""How long Python takes to parse an XSpace and do nothing with it, in a process of its own: it prints JSON.

python -m experiments.speed.parsed FILE…
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

NAME = "Python's protobuf (upb), parsing alone"
RUNS = 9


def parsed(file: Path) -> dict[str, object]:
    """Seconds, the median of some runs, and how many events there are."""
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    serialized, took_s = file.read_bytes(), []
    for _ in range(RUNS):
        began = time.perf_counter()
        space = xplane_pb2.XSpace.FromString(serialized)
        took_s.append(time.perf_counter() - began)
    events = sum(len(line.events) for plane in space.planes for line in plane.lines)
    return {"file": file.name, "seconds": statistics.median(took_s), "events": events}


if __name__ == "__main__":
    from google.protobuf.internal import api_implementation

    if api_implementation.Type() != "upb":
        sys.exit(f"error: this protobuf parses by {api_implementation.Type()}, not by upb")
    print(json.dumps([parsed(Path(name)) for name in sys.argv[1:]]))
