"""Budgets, places and required hardware of a program's own code, through the real daemon."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

import smaragdine
from smaragdine import Trace
from smaragdine.errors import UsageError
from testbed.hardware import Tree, built


@pytest.fixture
def measured(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMARAGDINE_POWERCAP_ROOT", str(tree.root))
    monkeypatch.delenv("SMARAGDINE_REGION", raising=False)


def work(seconds: float = 0.05) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        sum(range(1000))


def test_a_loop_that_asked_for_it_is_stopped_before_a_step(measured: None, tmp_path: Path) -> None:
    done = 0

    def train() -> None:
        nonlocal done
        with smaragdine.record(tmp_path / "out", budget="15 J", budget_stops=True) as recording:
            while done < 2000:
                with recording.step():
                    work()
                done += 1

    with pytest.raises(smaragdine.BudgetReached, match="the budget of 15 J is reached"):
        train()
    assert 0 < done < 2000
    trace = Trace.open(tmp_path / "out")
    assert trace.metadata.labels["stopped_by"] == "budget of 15 J"
    assert len(trace.steps) == done, "what was begun was done"


def test_a_loop_that_did_not_ask_is_warned_and_can_ask_itself(
    measured: None, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with smaragdine.record(tmp_path / "out", budget="10 J") as recording:
        until = time.monotonic() + 60
        while not recording.budget_reached and time.monotonic() < until:
            with recording.step():
                work()
        with recording.step():
            work()
    told = [record.getMessage() for record in caplog.records if "budget" in record.getMessage()]
    assert 1 <= len(told) <= 2
    assert "of the budget of 10 J is drawn" in told[-1]
    assert "stopped_by" not in Trace.open(tmp_path / "out").metadata.labels


def test_a_place_told_while_it_runs_is_the_statements(measured: None, tmp_path: Path) -> None:
    with smaragdine.record(tmp_path / "out", labels={"site": "lab", "region": "DEU"}) as recording:
        work(0.3)
        with pytest.raises(UsageError, match="no table knows a region 'Norwy'") as unknown:
            recording.place(region="Norwy")
        assert "NOR" in str(unknown.value.hint)
        with pytest.raises(UsageError, match="PUE"):
            recording.place(region="Norway", pue=0.5)
        recording.place(region="Norway", pue=1.25)
    labels = Trace.open(tmp_path / "out").metadata.labels
    assert labels == {"site": "lab", "region": "NOR", "pue": "1.25"}
    command = [Path(sys.executable).with_name("smaragdine"), "statement", tmp_path / "out"]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "Norway" in told
    assert "1.25" in told


def test_energy_so_far_tells_the_applications_part_as_the_trace_does(measured: None, tmp_path: Path) -> None:
    with smaragdine.record(tmp_path / "out") as recording:
        recording.meter.begin()
        work(1.5)
        spent = recording.meter.spent
    assert spent is not None
    trace = Trace.open(tmp_path / "out")
    part, ledger = spent.part("measured"), trace.ledger()
    known_j = sum(ledger.entry(entry).measured_j for entry in ("operations", "application", "untraced", "profiling"))
    assert part.unknown_j <= 0.01 * part.machine_j
    # What is settled is some tenths of a second old.
    assert 0.5 * known_j < part.application_j < 1.05 * known_j
    assert part.application_j < part.machine_j


def test_hardware_is_what_the_daemon_sees(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMARAGDINE_NVML_LIBRARY", str(built("fake-nvml", "libfake_nvml.so")))
    smaragdine.require(gpus=1)
    with pytest.raises(smaragdine.WrongHardware, match="every GPU is required to be 'B999'; here: ") as wrong:
        smaragdine.require(gpu="B999")
    name = str(wrong.value).partition(" × ")[2].splitlines()[0]
    smaragdine.require(gpu=name.partition(",")[0])
    with pytest.raises(smaragdine.WrongHardware, match="and is "):
        smaragdine.require(cpu="Cray-1")
