"""Prints what `smaragdine.record` costs a training in JAX; `make overhead-jax` runs it."""

from __future__ import annotations

import sys

from experiments.overhead.looped import run

MODELS = ("mlp", "wide-mlp", "bert")

if __name__ == "__main__":
    sys.exit(run(__doc__ or "", "experiments.overhead.in_jax.cell", MODELS, minutes=2.0, blocks=40))
