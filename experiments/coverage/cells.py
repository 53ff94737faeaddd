"""A table of models × ways to train, a cell in a process of its own: for frameworks that have their own environment."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
Cell = dict[str, Any]


def shares(cell: Cell, figures: Sequence[str], met: bool) -> str:
    """What stands in the table."""
    if "error" in cell:
        return "failed"
    told = [f"{cell[figure]:.1%}" if cell[figure] is not None else "no time" for figure in figures]
    return " / ".join(told) + ("" if met else " !")


def measured(module: str, model: str, way: str, results: Path) -> Cell:
    """One cell, by `python -m module MODEL WAY TRACE`, which prints it as JSON."""
    trace = results / f"{model}-{way}"
    shutil.rmtree(trace, ignore_errors=True)
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    command = [sys.executable, "-m", module, model, way, str(trace)]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": path}, check=False)
    shutil.rmtree(trace, ignore_errors=True)
    cell: Cell = {"model": model, "way": way}
    if done.returncode or not done.stdout:
        return {**cell, "error": f"exit code {done.returncode}: {done.stderr[-400:]}"}
    return {**cell, **json.loads(done.stdout.splitlines()[-1])}


def table(
    cells: dict[tuple[str, str], Cell], models: Sequence[str], ways: Sequence[str], entry: Callable[[Cell], str]
) -> str:
    rows = [["", *ways], *([model, *(entry(cells[model, way]) for way in ways)] for model in models)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip() for row in rows
    )


def run(
    about: str | None,
    module: str,
    models: Sequence[str],
    ways: Sequence[str],
    results: Path,
    met: Callable[[Cell], bool],
    entry: Callable[[Cell], str],
    legend: str,
) -> int:
    """Measures what the command line asks for and prints it; 0 where all cells meet their goals."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--models", default=",".join(models), help="of: %(default)s")
    parser.add_argument("--ways", default=",".join(ways), help="of: %(default)s")
    parser.add_argument("--results", type=Path, default=results, help="keeps one JSON file per cell")
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
        cell = cells[model, way] = measured(module, model, way, options.results)
        if "error" not in cell:
            file.write_text(json.dumps(cell, indent=1) + "\n")
        print(f"{model} {way}: {entry(cell)}", file=sys.stderr, flush=True)
    print(table(cells, models, ways, entry))
    print(legend)
    for cell in cells.values():
        if "error" in cell:
            print(f"{cell['model']} {cell['way']}: {cell['error']}")
    return 0 if all(met(cell) for cell in cells.values()) else 1
