"""The experiment on a real GPU, where there is none: each part runs, and calls are led to the right operations."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from testbed.hardware import built

ROOT = Path(__file__).parents[2]
PARTS = "registers; torch; torch, every step; replay; cost"


@pytest.mark.usefixtures("registers")
def test_every_part_runs_and_the_costliest_operations_are_found_and_replayed(tmp_path: Path) -> None:
    environment = {**os.environ, "SMARAGDINE_NVML_LIBRARY": str(built("fake-nvml", "libfake_nvml.so"))}
    command = [sys.executable, "experiments/gpu/run.py", "--output", str(tmp_path), "--parts", PARTS, "--scale", "0.1"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    results = json.loads((tmp_path / "results.json").read_text())
    assert done.returncode == 0, [part for part in results.values() if "failed" in part]
    for name in ("torch", "torch, every step"):
        assert results[name]["traced_steps"] > 0
        assert results[name]["ledger_closes_to"] < 1e-9
    assert results["registers"]["at rest"]["energy"]["updates"]["count"] > 10
    replay = results["replay"]
    assert replay["energy_with_call"] > 0.5
    assert len(replay["rows"]) == 10
    for row in replay["rows"]:
        assert "failed" not in row, row
        assert row["replayed"]["j"] > 0, row
        assert row["in_situ"]["equal"]["j"] > 0, row
    # A product of the backward pass has as many calls as layers, of one form; the head is one, where it is so costly.
    products = [row for row in replay["rows"] if row["operation"].startswith(("addmm", "mm"))]
    of_layers = [row for row in products if "/blocks/" in row["qtns"][0]]
    assert of_layers
    assert {row["calls_a_step"] for row in of_layers} == {2}
    assert all(row["calls_a_step"] == 1 for row in products if row not in of_layers)
    assert results["cost"]["pairs"] == 2
