"""The experiment of how long commands take to start: that it measures what it names."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from experiments.speed import startup  # noqa: E402
from testbed import synthetic_trace  # noqa: E402


def test_each_command_is_measured_beside_the_interpreter_alone(tmp_path: Path) -> None:
    measured = {one["name"]: one for one in startup.measure(synthetic_trace.short(tmp_path / "trace"), runs=1)}
    alone = measured.pop("the interpreter alone")
    assert {"smaragdine --help", "smaragdine ledger", "smaragdine footprint"} < set(measured)
    for one in measured.values():
        assert one["unit"] == "ms"
        # Each starts an interpreter, and more.
        assert one["value"] > alone["value"] > 0


def test_a_command_that_fails_is_no_measurement(tmp_path: Path) -> None:
    with pytest.raises(subprocess.CalledProcessError):
        startup.measure(tmp_path / "none", runs=1)


def test_the_trace_that_is_made_up_is_as_large_as_the_demos(tmp_path: Path) -> None:
    from smaragdine import Trace

    trace = Trace.open(startup.like_the_demos(tmp_path / "demo"))
    assert len(trace.steps) == 150
    assert sum(step.traced for step in trace.steps) == 30
    assert 2500 < len(trace.footprint()) < 4500
