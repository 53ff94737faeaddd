"""What is recorded is what the registers gained: the whole path, from a moving powercap tree to the tables."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from smaragdine import Trace
from testbed.hardware import Tree, powercap_tree

# The power of the package keeps changing; both registers wrap every three to four seconds.
WAVEFORM = ["--package", "square:60:140:0.7", "--dram", "constant:80", "--range", "300000000"]
ZONES = {"package-0": "intel-rapl:0", "dram-0": "intel-rapl:0:0"}

# The bound. A register that moves once a millisecond is read at a known instant; what remains is the writer's
# own jitter at the two ends.
TOLERANCE = 1e-3


def approx(expected: float, relative: float) -> Any:
    return pytest.approx(expected, rel=relative)


def one(trace: Trace, query: str) -> float:
    value: float = trace.sql(query).fetchall()[0][0]
    return value


def check(trace: Trace, tree: Tree, wraps: int) -> None:
    truth = tree.truth
    offset_ns = trace.metadata.raw["realtime_offset_ns"]
    for domain, zone in ZONES.items():
        rows = trace.sql(
            f"select start_ns, end_ns, energy_j, flags from readings where domain = '{domain}' order by start_ns"
        ).fetchall()
        measured_j = sum(row[2] for row in rows)
        true_j = truth.energy_j(zone, rows[0][0] - offset_ns, rows[-1][1] - offset_ns)
        assert measured_j == approx(true_j, TOLERANCE)
        assert sum("wrap" in row[3] for row in rows) >= wraps, domain
        # Law 1.
        assert one(trace, f"select sum(energy_j) from ledger where domain = '{domain}'") == approx(measured_j, 1e-9)


def run(tree: Tree, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "SMARAGDINE_POWERCAP_ROOT": str(tree.root)}
    command = [sys.executable, "-m", "smaragdine", *arguments]
    return subprocess.run(command, env=environment, check=True, capture_output=True, text=True)


def test_a_run_holds_the_energy_of_the_waveform_through_several_wraps(tmp_path: Path) -> None:
    busy = "import time\nend = time.time() + 4\nwhile time.time() < end: pass"
    with powercap_tree(tmp_path / "tree", *WAVEFORM) as tree:
        run(tree, "run", "--require-measured", "-o", str(tmp_path / "out"), "--", sys.executable, "-c", busy)
        check(Trace.open(tmp_path / "out"), tree, wraps=1)


@pytest.mark.tensorflow
def test_the_demo_holds_the_energy_of_the_waveform_and_its_ledger_closes(tmp_path: Path) -> None:
    pytest.importorskip("tensorflow")
    with powercap_tree(tmp_path / "tree", *WAVEFORM) as tree:
        run(tree, "demo", "-o", str(tmp_path / "demo"), "--steps", "10")
        trace = Trace.open(tmp_path / "demo")
        check(trace, tree, wraps=2)
    assert (tmp_path / "demo" / "report.html").stat().st_size > 1_000_000
    operations_j = one(trace, "select sum(energy_j) from ledger where entry = 'operations'")
    assert one(trace, "select sum(energy_j) from footprint where policy = 'equal'") == approx(operations_j, 1e-9)
