"""Prints how much operation time of JAX trainings leads back to the user's own modules: models × ways to train."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from experiments.coverage.cells import Cell, run, shares

MODELS = ("linen-transformer", "linen-cnn", "linen-lstm", "nnx-transformer", "equinox-mixer", "haiku-mlp")
WAYS = ("jit", "remat", "scan", "vmap", "accumulate")
# Of forward and backward time, in the model's own modules; of all time, told as one of the passes or the loss.
OWN, TOLD = 0.93, 0.97


def met(cell: Cell) -> bool:
    """A cell that failed, or traced nothing, meets no goal."""
    return "error" not in cell and (cell["own"] or 0.0) >= OWN and (cell["told"] or 0.0) >= TOLD


def entry(cell: Cell) -> str:
    return shares(cell, ("own", "told"), met(cell))


def main() -> int:
    legend = f"own modules of forward and backward time (goal {OWN:.0%}) / passes and loss told apart (goal {TOLD:.0%})"
    cell = "experiments.coverage.in_jax.cell"
    return run(__doc__, cell, MODELS, WAYS, Path("runs/coverage-jax"), met, entry, legend)


if __name__ == "__main__":
    sys.exit(main())
