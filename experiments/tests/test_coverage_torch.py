"""The quick cells of the coverage table meet their goals: `make coverage-torch` measures all of them."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from experiments.coverage.in_torch.cell import record  # noqa: E402
from experiments.coverage.in_torch.run import MODELS, WAYS, entry, goals, met  # noqa: E402

# What compiles takes minutes; `tests/pytorch/test_manners.py` has that in small.
EAGER = [way for way in WAYS if way != "compile"]
NEEDS = {"lightning": "pytorch_lightning", "bert": "transformers", "gpt2": "transformers"}
CELLS = [
    *((model, "eager") for model in MODELS),
    *((model, way) for model in ("gpt2", "lightning") for way in EAGER[1:]),
]


@pytest.mark.parametrize(("model", "way"), CELLS)
def test_a_cell_meets_its_goals(tmp_path: Path, model: str, way: str) -> None:
    pytest.importorskip(NEEDS.get(model, "torch"))
    cell = {"model": model, "way": way, **dataclasses.asdict(record(model, way, tmp_path / "out"))}
    assert cell["traced"] == 4
    assert met(cell), (entry(cell), cell["unplaced"][:5])
    assert "own" not in goals(cell)
