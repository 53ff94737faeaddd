"""Measures one training under `record` and prints one JSON object.

python -m experiments.overhead.in_torch.cell MODEL MINUTES PAIRS BLOCK_S
"""

from __future__ import annotations

import sys

from experiments.overhead.looped import cell

from .subjects import SUBJECTS


def main(model: str, minutes: str, pairs: str, block_s: str) -> None:
    cell(SUBJECTS[model], minutes, pairs, block_s)


if __name__ == "__main__":
    main(*sys.argv[1:])
