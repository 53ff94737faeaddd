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
from smaragdine import Trace
from testbed.hardware import powercap_tree

# It ends by itself, should the test not get to end it.
BUSY = "import time\nend = time.monotonic() + 60\nwhile time.monotonic() < end: pass"
# user, nice, system, irq and softirq of the first line of /proc/stat: what is neither idle nor stolen.
ACTIVE = (1, 2, 3, 6, 7)
TICK_S = 1 / os.sysconf("SC_CLK_TCK")


def active_s() -> float:
    """CPU time that the machine has spent on anything."""
    fields = Path("/proc/stat").read_text().splitlines()[0].split()
    return sum(int(fields[place]) for place in ACTIVE) * TICK_S


def used_s(application: int, daemon: int) -> float:
    """CPU time of a process and its descendants that live, without the daemon: it excludes itself."""
    times: dict[int, float] = {}
    parents: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        pid = int(stat.parent.name)
        parents[pid] = int(fields[1])
        times[pid] = (int(fields[11]) + int(fields[12])) * TICK_S
    found = [application]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one and child != daemon]
    return sum(times[one] for one in found)


def test_the_share_is_the_application_s_cpu_time_over_all_active_cpu_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Through a shell that leaves at once, so that the neighbour is nobody's descendant here.
    shell = f"{sys.executable} -c '{BUSY}' >/dev/null 2>&1 & echo $!"
    started = subprocess.run(["setsid", "sh", "-c", shell], stdout=subprocess.PIPE, check=True, text=True)
    neighbour = int(started.stdout)
    try:
        with (
            powercap_tree(tmp_path / "tree") as tree,
            serving(tmp_path, monkeypatch, tree.root) as daemon,
            subprocess.Popen([sys.executable, "-c", BUSY]) as own,
        ):
            with smaragdine.record(tmp_path / "out", require_measured=True):
                before = active_s(), used_s(os.getpid(), daemon.pid), used_s(neighbour, 0)
                time.sleep(8)
                after = active_s(), used_s(os.getpid(), daemon.pid), used_s(neighbour, 0)
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
