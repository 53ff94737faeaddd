"""Prints what `smaragdine.record` costs a training in PyTorch; `make overhead-torch` runs it."""

from __future__ import annotations

import sys

from experiments.overhead.looped import run

MODELS = ("mlp", "wide-mlp", "bert")

if __name__ == "__main__":
    sys.exit(run(__doc__ or "", "experiments.overhead.in_torch.cell", MODELS, minutes=1.25, blocks=22))
