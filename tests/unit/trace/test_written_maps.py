"""Maps of a trace that is written here: each row keeps its own keys, whatever the others have."""

from __future__ import annotations

from pathlib import Path

import pytest

from smaragdine.trace.trace import Trace
from smaragdine.trace.written import write
from testbed import synthetic_trace


@pytest.mark.parametrize(
    "metrics", [[{"loss": 1.0}, {}], [{}, {"loss": 1.0}], [{"loss": 1.0}, {"accuracy": 0.5}], [{"key": 1.0}, {}]]
)
def test_each_step_has_its_own_metrics_and_no_other(metrics: list[dict[str, float]], tmp_path: Path) -> None:
    fields = Trace.open(synthetic_trace.write(tmp_path / "bert")).metadata.raw
    energies = [{"package-0": 1.0}, {"dram-0": 2.0}]
    rows = [
        (step, 0, step * 10, step * 10 + 5, False, 4, energies[step], metrics[step]) for step in range(len(metrics))
    ]
    write(tmp_path / "written", {"steps": rows}, dict(fields))
    steps = Trace.open(tmp_path / "written").steps
    assert [dict(step.metrics) for step in steps] == metrics
    assert [dict(step.energy_j) for step in steps] == energies
