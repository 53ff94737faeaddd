"""Prints how much operation time of PyTorch trainings leads back to the user's own modules: models × ways to train."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from experiments.coverage.cells import Cell, run, shares

MODELS = ("bert", "gpt2", "resnet18", "mobilenetv3", "lstm", "unet", "experts", "lightning")
WAYS = ("eager", "compile", "autocast", "checkpoint", "accumulate", "optimizers")
# Of the time of each pass, in the model's own layers; of all time, told as a pass, the loss or the optimizer.
FORWARD, BACKWARD, TOLD = 0.97, 0.95, 0.97
# Where a compiled region is one layer: of both passes.
COMPILED = 0.93


def goals(cell: Cell) -> dict[str, float]:
    """What each figure of a cell has to reach."""
    own = {"own": COMPILED} if cell["way"] == "compile" else {"own_forward": FORWARD, "own_backward": BACKWARD}
    return {**own, "told": TOLD}


def met(cell: Cell) -> bool:
    """A cell that failed, or traced nothing, meets no goal."""
    return "error" not in cell and all((cell[figure] or 0.0) >= goal for figure, goal in goals(cell).items())


def entry(cell: Cell) -> str:
    return shares(cell, list(goals(cell)), met(cell))


def main() -> int:
    legend = (
        f"own layers of forward (goal {FORWARD:.0%}) / of backward time (goal {BACKWARD:.0%}), of both where compiled "
        f"(goal {COMPILED:.0%}) / forward, backward and optimizer told apart (goal {TOLD:.0%})"
    )
    cell = "experiments.coverage.in_torch.cell"
    return run(__doc__, cell, MODELS, WAYS, Path("runs/coverage-torch"), met, entry, legend)


if __name__ == "__main__":
    sys.exit(main())
