"""Joules so far, asked of a recording while it runs: never less than before, never more than the trace holds."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

import smaragdine
from smaragdine import Trace
from testbed.hardware import Tree


def test_energy_so_far_grows_to_what_the_trace_holds(
    tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SMARAGDINE_POWERCAP_ROOT", str(tree.root))
    with smaragdine.record(tmp_path / "out", require_measured=True) as recording:
        asked = []
        for _ in range(5):
            asked.append(recording.energy())
            time.sleep(0.3)
    held = {domain: readings.total_j for domain, readings in Trace.open(tmp_path / "out").readings.items()}
    assert asked[-1].keys() == held.keys()
    for domain, total_j in held.items():
        joules = [one.get(domain, 0.0) for one in asked]
        assert joules == sorted(joules)
        # Asked last some tenths of a second before the end, of which the daemon tells four a second.
        assert 0.5 * total_j < joules[-1] <= total_j
        # To rounding: readings are summed in another order.
        assert joules[-1] <= recording.energy()[domain] <= total_j * (1 + 1e-12)


def test_where_nothing_is_recorded_no_energy_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMARAGDINE_BIN", str(tmp_path / "nothing"))
    with smaragdine.record(tmp_path / "out") as recording:
        assert recording.energy() == {}
