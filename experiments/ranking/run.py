"""Prints how stable the ranking of layers is between two traces, or between two demos that it runs first."""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from smaragdine import Trace
from smaragdine.cli.ending import exit_code
from smaragdine.errors import SmaragdineError

TOP = 20


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("traces", nargs="*", type=Path, metavar="TRACE", help="two trace directories")
    traces = parser.parse_args().traces
    if len(traces) not in (0, 2):
        parser.error("name two traces, or none")
    with tempfile.TemporaryDirectory() as directory:
        try:
            first, second = map(energies, traces or demos(Path(directory)))
        except SmaragdineError as error:
            print(f"error: {error}", file=sys.stderr)
            return exit_code(error)
    layers = sorted(first.keys() | second.keys())
    correlation = spearman([first.get(layer, 0.0) for layer in layers], [second.get(layer, 0.0) for layer in layers])
    print(f"{correlation:.4f} rank correlation of {len(layers)} layers' energy")
    print(f"{len(top(first) & top(second))} of the {TOP} layers with the most energy in common")
    return 0


def demos(directory: Path) -> list[Path]:
    outputs = [directory / "first", directory / "second"]
    for output in outputs:
        subprocess.run(
            [sys.executable, "-m", "smaragdine", "demo", "-o", output], check=True, stdout=subprocess.DEVNULL
        )
    return outputs


def energies(path: Path) -> dict[str, float]:
    """Energy of each layer's operations, in joules."""
    return {group.name: group.energy_j for group in Trace.open(path).footprint().by("layer")}


def top(layers: dict[str, float]) -> set[str]:
    return set(sorted(layers, key=lambda layer: -layers[layer])[:TOP])


def spearman(first: list[float], second: list[float]) -> float:
    """The correlation of ranks; equal values, which energies are not, would be ranked in order of name."""
    ranks = np.array([np.argsort(np.argsort(values)) for values in (first, second)], dtype=float)
    ranks -= ranks.mean(axis=1, keepdims=True)
    return float((ranks[0] @ ranks[1]) / np.sqrt((ranks[0] @ ranks[0]) * (ranks[1] @ ranks[1])))


if __name__ == "__main__":
    sys.exit(main())
