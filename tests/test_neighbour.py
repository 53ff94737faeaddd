"""Beside a neighbour of equal load: energy is shared as CPU time is, and the ledger closes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

import smaragdine
from accounted import serving
from hardware import powercap_tree
from smaragdine import Trace

BUSY = [sys.executable, "-c", "while True: pass"]
# user, nice, system, irq and softirq of the first line of /proc/stat: what is neither idle nor stolen.
ACTIVE = (1, 2, 3, 6, 7)
TICK_S = 1 / os.sysconf("SC_CLK_TCK")


def active_s() -> float:
    """CPU time that the machine has spent on anything."""
    fields = Path("/proc/stat").read_text().splitlines()[0].split()
    return sum(int(fields[place]) for place in ACTIVE) * TICK_S


def used_s(pid: int) -> float:
    """CPU time of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * TICK_S


def test_the_share_is_the_application_s_cpu_time_over_all_active_cpu_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Through a shell that leaves at once, so that the neighbour is nobody's descendant here.
    shell = f"{sys.executable} -c 'while True: pass' & echo $!"
    started = subprocess.run(["setsid", "sh", "-c", shell], stdout=subprocess.PIPE, check=True, text=True)
    neighbour = int(started.stdout)
    try:
        with (
            powercap_tree(tmp_path / "tree") as tree,
            serving(tmp_path, monkeypatch, tree.root),
            subprocess.Popen(BUSY) as own,
        ):
            with smaragdine.record(tmp_path / "out", require_measured=True):
                before = active_s(), used_s(own.pid) + used_s(os.getpid()), used_s(neighbour)
                time.sleep(5)
                after = active_s(), used_s(own.pid) + used_s(os.getpid()), used_s(neighbour)
            own.kill()
    finally:
        os.kill(neighbour, 9)
    active, application, other = (now - then for now, then in zip(after, before, strict=True))
    trace = Trace.open(tmp_path / "out")
    entries: dict[str, float] = dict(
        trace.sql("select entry, energy_j from ledger where domain = 'package-0' and policy = 'equal'").fetchall()
    )
    total_j = sum(entries.values())
    readings_j = trace.sql("select sum(energy_j) from readings where domain = 'package-0'").fetchall()[0][0]
    assert total_j == pytest.approx(readings_j, rel=1e-9)
    share = (entries["operations"] + entries["application"] + entries["untraced"] + entries["profiling"]) / (
        total_j - entries["idle"] - entries["gap"]
    )
    print(f"share {share:.4f}, CPU time {application / active:.4f}; the neighbour's {other / active:.4f}")
    # The first and the last share sample reach past the window by at most their period, 200 ms.
    assert share == pytest.approx(application / active, rel=0.03)
    assert entries["other"] / (total_j - entries["idle"] - entries["gap"]) >= other / active * 0.97
    assert entries["gap"] <= 0.05 * total_j
