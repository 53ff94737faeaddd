"""How long commands take that ought to feel instant, in the median, beside the interpreter and DuckDB alone.

.venv/bin/python -m experiments.speed.startup [TRACE] [--runs 21]
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from testbed import synthetic_trace

ROOT = Path(__file__).resolve().parents[2]
RUNS = 21
# What `smaragdine demo` leaves: some three thousand operations, 30 of 150 steps traced.
LAYERS, STEPS, EVERY, WINDOW = 40, 150, 10, 2
# Reading a trace needs DuckDB; these are of it what no reader can do without.
DUCKDB = "import duckdb; duckdb.connect().execute('select 1').fetchall()"
_TRACE = "TRACE"

# Arguments of the interpreter, and the most milliseconds that they ought to take; None of what is there to compare.
COMMANDS: dict[str, tuple[tuple[str, ...], float | None]] = {
    "the interpreter alone": (("-c", "pass"), None),
    "the interpreter and DuckDB": (("-c", DUCKDB), None),
    "smaragdine --help": (("-m", "smaragdine", "--help"), 100.0),
    "smaragdine --version": (("-m", "smaragdine", "--version"), 100.0),
    "smaragdine ledger": (("-m", "smaragdine", "ledger", _TRACE), 250.0),
    "smaragdine footprint": (("-m", "smaragdine", "footprint", _TRACE), 250.0),
    "smaragdine footprint --by stef": (("-m", "smaragdine", "footprint", "--by", "stef", _TRACE), 250.0),
}


def measure(trace: Path | None = None, runs: int = RUNS) -> list[dict[str, Any]]:
    """Of each command `name`, `value` (the median of its runs), `unit` and `goal` (None where there is none).

    `trace`: one like the demo's is made up where it is None. Each command is started once before it is measured, so
    that its files are in memory; then all take turns, so that what else the machine does slows all alike.
    """
    if trace is None:
        with tempfile.TemporaryDirectory(prefix="smaragdine-startup-") as directory:
            return measure(like_the_demos(Path(directory) / "demo"), runs)
    commands = {
        name: [str(trace) if word == _TRACE else word for word in words] for name, (words, _) in COMMANDS.items()
    }
    took: dict[str, list[float]] = {name: [] for name in commands}
    for words in commands.values():
        seconds(words)
    for _ in range(runs):
        for name, words in commands.items():
            took[name].append(seconds(words))
    return [
        {"name": name, "value": 1e3 * statistics.median(took[name]), "unit": "ms", "goal": goal}
        for name, (_, goal) in COMMANDS.items()
    ]


def seconds(words: Sequence[str]) -> float:
    """From the start of an interpreter to its end. Raises CalledProcessError, with what it said, where it fails."""
    path = os.pathsep.join(filter(None, [str(ROOT / "python"), os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "PYTHONPATH": path}
    began = time.perf_counter()
    subprocess.run([sys.executable, *words], check=True, capture_output=True, env=environment)
    return time.perf_counter() - began


def like_the_demos(directory: Path) -> Path:
    """A trace with as many operations, steps and events as the demo's."""
    traced = [step for step in range(STEPS) if step % EVERY < WINDOW]
    return synthetic_trace.write(directory, synthetic_trace.Program.bert(LAYERS), steps=STEPS, traced=traced)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("trace", type=Path, nargs="?", metavar="TRACE", help="default: one like the demo's, made up")
    parser.add_argument("--runs", type=int, default=RUNS, metavar="N", help=f"of each command (default: {RUNS})")
    arguments = parser.parse_args()
    for one in measure(arguments.trace, arguments.runs):
        goal = f"   goal: {one['goal']:.0f}" if one["goal"] is not None else ""
        print(f"{one['name']:<32}{one['value']:6.0f} {one['unit']}{goal}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
