"""Prints how much operation time of JAX trainings leads back to the user's own modules: models × ways to train."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
MODELS = ("linen-transformer", "linen-cnn", "linen-lstm", "nnx-transformer", "equinox-mixer", "haiku-mlp")
WAYS = ("jit", "remat", "scan", "vmap", "accumulate")
# Of forward and backward time, in the model's own modules; of all time, told as one of the passes or the loss.
OWN, TOLD = 0.93, 0.97
Cell = dict[str, Any]


def met(cell: Cell) -> bool:
    """A cell that failed, or traced nothing, meets no goal."""
    return "error" not in cell and (cell["own"] or 0.0) >= OWN and (cell["told"] or 0.0) >= TOLD


def entry(cell: Cell) -> str:
    if "error" in cell:
        return "failed"
    shares = [f"{cell[figure]:.1%}" if cell[figure] is not None else "no time" for figure in ("own", "told")]
    return " / ".join(shares) + ("" if met(cell) else " !")


def measured(model: str, way: str, results: Path) -> Cell:
    """One cell, in a process of its own."""
    trace = results / f"{model}-{way}"
    shutil.rmtree(trace, ignore_errors=True)
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    command = [sys.executable, "-m", "experiments.coverage.jax.cell", model, way, str(trace)]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": path}, check=False)
    shutil.rmtree(trace, ignore_errors=True)
    cell: Cell = {"model": model, "way": way}
    if done.returncode or not done.stdout:
        return {**cell, "error": f"exit code {done.returncode}: {done.stderr[-400:]}"}
    return {**cell, **json.loads(done.stdout.splitlines()[-1])}


def table(cells: dict[tuple[str, str], Cell], models: list[str], ways: list[str]) -> str:
    rows = [["", *ways], *([model, *(entry(cells[model, way]) for way in ways)] for model in models)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip() for row in rows
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", default=",".join(MODELS), help="of: %(default)s")
    parser.add_argument("--ways", default=",".join(WAYS), help="of: %(default)s")
    parser.add_argument("--results", type=Path, default=Path("runs/coverage-jax"), help="keeps one JSON file per cell")
    parser.add_argument("--fresh", action="store_true", help="measure again what --results holds")
    options = parser.parse_args()
    models, ways = options.models.split(","), options.ways.split(",")
    options.results.mkdir(parents=True, exist_ok=True)
    cells: dict[tuple[str, str], Cell] = {}
    for model, way in ((model, way) for model in models for way in ways):
        file = options.results / f"{model}-{way}.json"
        if file.is_file() and not options.fresh:
            cells[model, way] = json.loads(file.read_text())
            continue
        cell = cells[model, way] = measured(model, way, options.results)
        if "error" not in cell:
            file.write_text(json.dumps(cell, indent=1) + "\n")
        print(f"{model} {way}: {entry(cell)}", file=sys.stderr, flush=True)
    print(table(cells, models, ways))
    print(f"own modules of forward and backward time (goal {OWN:.0%}) / passes and loss told apart (goal {TOLD:.0%})")
    for cell in cells.values():
        if "error" in cell:
            print(f"{cell['model']} {cell['way']}: {cell['error']}")
    return 0 if all(met(cell) for cell in cells.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
