"""Prints what EnergyCallback and EnergyHook cost a training: their own cost, a paired on/off ratio, and CPU time."""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]

MODELS = ("mlp", "bert", "mobilenetv2")
HOWS = ("callback", "hook")
HEADINGS = (
    "",
    "step",
    "own cost",
    "of it waiting",
    "steps traced",
    "on/off ratio, 95 % interval",
    "client CPU/20 s",
    "daemon CPU/20 s",
    "then",
)
GOALS = ("goal", "", "≤ 1 %", "", "≥ 2 % in 10 min", "includes ≤ 1.01", "≤ 0.3 s", "", "")
# What is imported, after what a user of it has imported anyway.
IMPORTS = {"smaragdine": "", "smaragdine.keras": "import keras"}

Cell = dict[str, Any]


def environment() -> dict[str, str]:
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return {**os.environ, "PYTHONPATH": path, "TF_CPP_MIN_LOG_LEVEL": "3"}


def measured(model: str, how: str, minutes: float, blocks: int, block_s: float) -> Cell:
    """One cell, in a process of its own. Raises `RuntimeError` with the end of what it said where it failed."""
    command = [sys.executable, "-m", "experiments.overhead.cell", model, how, str(minutes), str(blocks), str(block_s)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment(), check=False)
    if done.returncode or not done.stdout:
        raise RuntimeError(f"{model} with {how} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    return {"model": model, "how": how, **json.loads(done.stdout.splitlines()[-1])}


def import_s(module: str, before: str) -> float:
    """Seconds that an import takes: the median of three fresh interpreters."""
    code = f"{before}\nimport time\nbegan = time.perf_counter()\nimport {module}\nprint(time.perf_counter() - began)"
    took = [
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment(), check=True)
        for _ in range(3)
    ]
    return statistics.median(float(done.stdout.splitlines()[-1]) for done in took)


def row(cell: Cell) -> list[str]:
    own, paired, cpu = cell["own"], cell["paired"], cell["cpu"]
    return [
        f"{cell['model']} {cell['how']}",
        f"{cell['step_ms']:.1f} ms",
        f"{own['fraction']:.2%}",
        f"{own['own_s'] / own['step_s']:.2%}",
        f"{own['traced_share']:.1%} of {own['steps']}",
        f"{paired['ratio']:.3f}, {paired['low']:.3f} … {paired['high']:.3f}",
        f"{cpu['client_20s_s']:.2f} s",
        f"{20 * cpu['daemon_running_s'] / cpu['wall_s']:.2f} s",
        f"{cpu['daemon_accounting_s']:.2f} s",
    ]


def table(cells: list[Cell]) -> str:
    rows = [list(HEADINGS), *map(row, cells), list(GOALS)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    return "\n".join(
        "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip() for row in rows
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", default=",".join(MODELS), help="of: %(default)s")
    parser.add_argument("--how", default=",".join(HOWS), help="of: %(default)s")
    parser.add_argument("--minutes", type=float, default=2.0, help="length of each run at the defaults (default: 2)")
    parser.add_argument("--blocks", type=int, default=40, help="pairs of blocks, one on and one off (default: 40)")
    parser.add_argument("--block-seconds", type=float, default=1.5, help="length of a block (default: 1.5)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    models, hows = options.models.split(","), options.how.split(",")
    for chosen, known in ((models, MODELS), (hows, HOWS)):
        if unknown := [name for name in chosen if name not in known]:
            parser.error(f"there is no {', '.join(unknown)}; choose of {', '.join(known)}")
    if options.blocks < 2 or options.block_seconds <= 0 or options.minutes <= 0:
        parser.error("a ratio needs two pairs of blocks, a block some seconds, a run some minutes")

    cells = []
    try:
        for model, how in ((model, how) for model in models for how in hows):
            print(f"{model} with {how} …", file=sys.stderr, flush=True)
            cells.append(measured(model, how, options.minutes, options.blocks, options.block_seconds))
    except RuntimeError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    imports = {module: import_s(module, before) for module, before in IMPORTS.items()}
    machine = {"cpus": os.cpu_count(), "machine": platform.machine(), "python": platform.python_version()}

    if options.json:
        print(json.dumps({"cells": cells, "import_s": imports, **machine}, indent=2))
        return 0
    print(table(cells))
    print(
        f"{options.minutes:g} minutes at the defaults, then {options.blocks} pairs of blocks of about "
        f"{options.block_seconds:g} s; {machine['cpus']} CPUs, other load not controlled"
    )
    said = ", ".join(f"{module} {1e3 * seconds:.0f} ms" for module, seconds in imports.items())
    print(f"import: {said} after Keras (goal: at most 150 ms)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
