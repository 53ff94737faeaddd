"""Prints how much of the operation time leads back to the user's own layers: a table of models × modes."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]

MODELS = ("mobilenetv2", "resnet50", "efficientnetb0", "bert", "lstm", "unet", "mixers", "twins")


@dataclass(frozen=True)
class Goal:
    """What share of the pass `figure` must have a layer, and what share of all time may lie in `runtime`, `unknown`."""

    figure: str
    least: float
    most_nowhere: float = 1.0

    def met(self, cell: Cell) -> bool:
        """A cell that failed, or traced nothing, meets no goal."""
        share = cell.get(self.figure)
        return share is not None and share >= self.least and cell["nowhere"] <= self.most_nowhere


GRAPH = Goal("own", 0.97, 0.03)
XLA = Goal("own", 0.93)
EAGER = Goal("own_forward", 0.95)
MODES = {
    "fit": GRAPH,
    "plain": GRAPH,
    "xla": XLA,
    "eager": EAGER,
    "batch": GRAPH,
    "loop": GRAPH,
    "multi": GRAPH,
    "evaluate": GRAPH,
    "predict": GRAPH,
    "mirrored": GRAPH,
    "graph": GRAPH,
}
# What `experiments.coverage.score` says of one cell, or an `error`.
Cell = dict[str, Any]


def senseless(model: str, mode: str) -> str | None:
    """Why a cell is not measured."""
    if mode == "graph" and model != "bert":
        return "a model of Keras 3 is not made for a session; the row bert has the demo's, which is"
    return None


def entry(mode: str, cell: Cell) -> str:
    if "error" in cell:
        return "failed"
    share = cell[MODES[mode].figure]
    figure = "no time" if share is None else f"{share:.1%}"
    return figure if MODES[mode].met(cell) else f"{figure} !"


def table(cells: dict[tuple[str, str], Cell], models: list[str], modes: list[str]) -> str:
    """One row per model, one column per mode; `!` marks a goal that is not met."""

    def text(model: str, mode: str) -> str:
        return entry(mode, cells[model, mode]) if (model, mode) in cells else "–"

    rows = [["", *modes], *([model, *(text(model, mode) for mode in modes)] for model in models)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip() for row in rows
    )


def legend(models: list[str], modes: list[str]) -> str:
    reasons = {reason for model in models for mode in modes if (reason := senseless(model, mode))}
    said = [
        "share of forward and backward time in the model's own layers; eager: of forward time",
        f"goals: {GRAPH.least:.0%} with at most {GRAPH.most_nowhere:.0%} of all time in runtime and unknown; "
        f"xla {XLA.least:.0%}; eager {EAGER.least:.0%}; ! is not met",
        *(f"–: {reason}" for reason in sorted(reasons)),
    ]
    return "\n".join(said)


def details(cell: Cell, unplaced: int) -> str:
    """The figures of a cell, and the operations that lead to no layer, the longest first."""
    where = f"{cell['model']} {cell['mode']}"
    if "error" in cell:
        return f"{where}: {cell['error']}"

    def percent(share: float | None) -> str:
        return "–" if share is None else f"{share:.2%}"

    lines = [
        f"{where}: own {percent(cell['own'])}, of forward {percent(cell['own_forward'])}, of own in the model itself "
        f"{percent(cell['outermost'])}; runtime and unknown {percent(cell['nowhere'])} of {cell['time_s']:.3f} s in "
        f"{cell['traced']} of {cell['steps']} steps; {cell['qtns']} names, {cell['hidden']} operations hidden"
    ]
    for op in cell["unplaced"][:unplaced]:
        said = f"{op['layer']} {op['phase']}"
        lines.append(f"  {1e3 * op['time_s']:9.3f} ms  {op['type']:<24} {said:<24} {op['raw_name']}")
    return "\n".join(lines)


def recorded(model: str, mode: str, results: Path) -> Cell:
    """One cell, measured in a process of its own: its memory is given back, its failure is its own."""
    trace = results / f"{model}-{mode}"
    shutil.rmtree(trace, ignore_errors=True)
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    command = [sys.executable, "-m", "experiments.coverage.cell", model, mode, str(trace)]
    began = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": path}, check=False)
    shutil.rmtree(trace, ignore_errors=True)
    cell: Cell = {"model": model, "mode": mode, "took_s": round(time.monotonic() - began, 1)}
    if done.returncode or not done.stdout:
        return {**cell, "error": f"exit code {done.returncode}: {done.stderr[-400:]}"}
    return {**cell, **json.loads(done.stdout.splitlines()[-1])}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", default=",".join(MODELS), help="of: %(default)s")
    parser.add_argument("--modes", default=",".join(MODES), help="of: %(default)s")
    parser.add_argument("--results", type=Path, default=Path("runs/coverage"), help="keeps one JSON file per cell")
    parser.add_argument("--fresh", action="store_true", help="measure again what --results holds")
    parser.add_argument("--details", action="store_true", help="print all figures of each cell")
    parser.add_argument("--unplaced", type=int, default=0, metavar="N", help="and N operations that lead to no layer")
    parser.add_argument("--json", action="store_true", help="print one JSON array of cells")
    options = parser.parse_args()
    models, modes = options.models.split(","), options.modes.split(",")
    for chosen, known in ((models, MODELS), (modes, tuple(MODES))):
        if unknown := [name for name in chosen if name not in known]:
            parser.error(f"there is no {', '.join(unknown)}; choose of {', '.join(known)}")

    options.results.mkdir(parents=True, exist_ok=True)
    cells: dict[tuple[str, str], Cell] = {}
    for model, mode in ((model, mode) for model in models for mode in modes if not senseless(model, mode)):
        file = options.results / f"{model}-{mode}.json"
        if file.is_file() and not options.fresh:
            cells[model, mode] = json.loads(file.read_text())
            continue
        file.unlink(missing_ok=True)
        cell = cells[model, mode] = recorded(model, mode, options.results)
        if "error" not in cell:
            file.write_text(json.dumps(cell, indent=1) + "\n")
        print(f"{model} {mode}: {entry(mode, cell)} in {cell['took_s']} s", file=sys.stderr, flush=True)

    if options.json:
        print(json.dumps(list(cells.values()), indent=1))
    else:
        print(f"{table(cells, models, modes)}\n{legend(models, modes)}")
        all_of_them = options.details or options.unplaced
        for cell in (cell for cell in cells.values() if all_of_them or "error" in cell):
            print(details(cell, options.unplaced))
    return 0 if all(MODES[mode].met(cell) for (_, mode), cell in cells.items()) else 1


if __name__ == "__main__":
    sys.exit(main())
