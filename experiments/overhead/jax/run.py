"""Prints what `smaragdine.record` costs a training in JAX; `make overhead-jax` runs it."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys

from experiments.overhead.run import Cell, environment, table

MODELS = ("mlp", "bert")


def measured(model: str, minutes: float, blocks: int, block_s: float) -> Cell:
    """One cell, in a process of its own. Raises `RuntimeError` with the end of what it said where it failed."""
    command = [sys.executable, "-m", "experiments.overhead.jax.cell", model, str(minutes), str(blocks), str(block_s)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment(), check=False)
    if done.returncode or not done.stdout:
        raise RuntimeError(f"{model} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    return {"model": model, "how": "record", **json.loads(done.stdout.splitlines()[-1])}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition(";")[0])
    parser.add_argument("--models", default=",".join(MODELS), help="of: %(default)s")
    parser.add_argument("--minutes", type=float, default=2.0, help="length of each run at the defaults (default: 2)")
    parser.add_argument("--blocks", type=int, default=40, help="pairs of blocks, one on and one off (default: 40)")
    parser.add_argument("--block-seconds", type=float, default=1.5, help="length of a block (default: 1.5)")
    options = parser.parse_args()
    models = options.models.split(",")
    if unknown := [name for name in models if name not in MODELS]:
        parser.error(f"there is no {', '.join(unknown)}; choose of {', '.join(MODELS)}")
    if options.blocks < 2 or options.block_seconds <= 0 or options.minutes <= 0:
        parser.error("a ratio needs two pairs of blocks, a block some seconds, a run some minutes")
    try:
        print(table([measured(model, options.minutes, options.blocks, options.block_seconds) for model in models]))
    except RuntimeError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(
        f"{options.minutes:g} minutes at the defaults, then {options.blocks} pairs of blocks of about "
        f"{options.block_seconds:g} s; {os.cpu_count()} CPUs, other load not controlled"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
