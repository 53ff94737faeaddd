"""Prints what sampling metrics costs the daemon, by how many processes the application has."""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import smaragdine
from smaragdine import Trace

GOAL = 0.003


def sampled(processes: int, seconds: float) -> tuple[float, float, int]:
    """CPU seconds of sampling, seconds recorded, and looks at the machine."""
    wait = [sys.executable, "-c", "import sys; sys.stdin.read()"]
    others = [subprocess.Popen(wait, stdin=subprocess.PIPE) for _ in range(processes - 1)]
    try:
        with tempfile.TemporaryDirectory() as directory:
            with smaragdine.record(Path(directory) / "out"):
                time.sleep(seconds)
            trace = Trace.open(Path(directory) / "out")
            ((looks,),) = trace.rows("select count(*) from metrics where metric = 'memory_used'")
            return trace.metadata.metrics_cpu_s or 0.0, trace.metadata.duration_s or 0.0, looks
    finally:
        for other in others:
            other.kill()
            other.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="of each recording (default: 60)")
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 10, 100], metavar="N")
    arguments = parser.parse_args()
    print("processes  CPU time per second  of a core  looks per second")
    for processes in arguments.processes:
        cpu_s, length_s, looks = sampled(processes, arguments.seconds)
        per_second = cpu_s / length_s
        print(f"{processes:9}  {1e3 * per_second:16.3f} ms  {per_second:9.3%}  {looks / length_s:16.2f}")
    print(f"goal                            ≤ {GOAL:.1%}")


if __name__ == "__main__":
    main()
