"""Four ranks on one machine, and two machines of two: every joule of their registers is in the job once."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from smaragdine import Job, Trace
from testbed.hardware import Tree, powercap_tree
from tests.support.served import Recorded, wait_until

PROGRAM = """
import os, pathlib, sys, time, smaragdine
output, size = pathlib.Path(sys.argv[1]), int(os.environ["WORLD_SIZE"])
with smaragdine.record(output, require_measured=True) as recording:
    # Ranks of a job run at the same time, however slowly some of them start.
    while len(list(output.glob("host=*/rank=*/trace.json"))) < size:
        time.sleep(0.01)
    end = time.monotonic() + float(sys.argv[2])
    while time.monotonic() < end:
        with recording.step(samples=4):
            sum(range(20_000))
"""


def start(output: Path, rank: int, size: int, tree: Tree, host: str, seconds: float) -> subprocess.Popen[bytes]:
    told = {
        "RANK": str(rank), "WORLD_SIZE": str(size), "LOCAL_RANK": "0", "NODE_NAME": host,
        "SMARAGDINE_POWERCAP_ROOT": str(tree.root),
    }  # fmt: skip
    command = [sys.executable, "-c", PROGRAM, str(output), str(seconds)]
    return subprocess.Popen(command, env={**os.environ, **told})


def assert_whole(job: Job, tree: Tree, host: str) -> float:
    """The job's readings of a host's package are what the register gained, from its first reading's end to its last's.

    Of the two reads at the ends it is known between which instants they were made. Returns joules.
    """
    parts = [Recorded(part.path) for part in job.parts if part.host == host]
    edge = "select arg_{}([read_start_ns, read_end_ns, end_ns], start_ns) from {{readings}} where domain = 'package-0'"
    firsts = [part.sql(edge.format("min"))[0][0] for part in parts]
    lasts = [part.sql(edge.format("max"))[0][0] for part in parts]
    first = min(range(len(parts)), key=lambda number: firsts[number][2])
    last = max(range(len(parts)), key=lambda number: lasts[number][2])
    edges = [
        (read[0] - parts[number].metadata["realtime_offset_ns"], read[1] - parts[number].metadata["realtime_offset_ns"])
        for number, read in ((first, firsts[first]), (last, lasts[last]))
    ]
    wait_until(lambda: tree.truth.until_ns > edges[1][1])
    least_j, most_j = tree.truth.bounds_j("intel-rapl:0", *edges)
    readings = job.readings[f"{host}/package-0"]
    told_j = readings.total_j - float(readings.energy_j[0])
    assert 0.999 * least_j <= told_j <= 1.001 * most_j
    assert (readings.start_ns[1:] == readings.end_ns[:-1]).all()
    return readings.total_j


def test_four_ranks_of_one_machine_hold_its_register_once(tree: Tree, tmp_path: Path) -> None:
    output = tmp_path / "job"
    ranks = [start(output, number, 4, tree, "node-1", 1.5 + 0.4 * number) for number in range(4)]
    assert [rank.wait(timeout=300) for rank in ranks] == [0] * 4
    job = Job.open(output)
    told_j = assert_whole(job, tree, "node-1")
    ledger = job.ledger()
    assert sum(ledger.domain("node-1/package-0").values()) == pytest.approx(told_j, rel=1e-9)
    own = sum(
        Trace.open(part.path).ledger().domain("package-0")[entry]
        for part in job.parts
        for entry in ("operations", "application", "untraced")
    )
    in_job = sum(ledger.domain("node-1/package-0")[entry] for entry in ("operations", "application", "untraced"))
    assert in_job == pytest.approx(own, rel=1e-9)
    assert {rank.rank: rank.steps > 0 for rank in job.ranks()} == dict.fromkeys(range(4), True)


def test_two_machines_hold_both_registers_by_library_and_by_sql(tmp_path: Path) -> None:
    """Each with a boot id and registers of its own, as on two nodes."""
    output = tmp_path / "job"
    with ExitStack() as stack:
        trees = [stack.enter_context(powercap_tree(tmp_path / f"tree-{node}")) for node in range(2)]
        ranks = []
        for number in range(4):
            node = number // 2
            boot_id = tmp_path / f"boot-{node}"
            boot_id.write_text(f"{node}{node}{node}{node}{node}{node}{node}{node}-0000-4000-8000-000000000000\n")
            ranks.append(start_with_boot_id(output, number, trees[node], f"node-{node}", boot_id))
        assert [rank.wait(timeout=300) for rank in ranks] == [0] * 4
        job = Job.open(output)
        for node, tree in enumerate(trees):
            assert_whole(job, tree, f"node-{node}")
    assert {part.metadata.host.boot_id for part in job.parts} == {
        f"{str(node) * 8}-0000-4000-8000-000000000000" for node in range(2)
    }
    done = subprocess.run([sys.executable, "-m", "smaragdine", "merge", str(output)], check=False)
    assert done.returncode == 0
    total = job.ledger().total["measured"]
    assert Trace.open(output).ledger().total["measured"] == pytest.approx(total, rel=1e-12)
    by_sql = Trace.open(output).sql("select sum(energy_j) from ledger where policy = 'equal'").fetchall()
    assert by_sql[0][0] == pytest.approx(total, rel=1e-9)


def start_with_boot_id(output: Path, rank: int, tree: Tree, host: str, boot_id: Path) -> subprocess.Popen[bytes]:
    """As on another machine: in a mount namespace whose kernel tells another boot id."""
    if os.geteuid() != 0 or subprocess.run(["unshare", "-m", "true"], check=False, capture_output=True).returncode:
        pytest.skip("needs to be root, with mount namespaces")
    mount = f'mount --bind "{boot_id}" /proc/sys/kernel/random/boot_id && exec "$@"'
    told = {"RANK": str(rank), "WORLD_SIZE": "4", "NODE_NAME": host, "SMARAGDINE_POWERCAP_ROOT": str(tree.root)}
    command = ["unshare", "-m", "sh", "-c", mount, "sh", sys.executable, "-c", PROGRAM, str(output), "2"]
    return subprocess.Popen(command, env={**os.environ, **told})


def test_a_rank_that_is_killed_leaves_the_others_sum_and_is_told(
    tree: Tree, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    output = tmp_path / "job"
    ranks = [start(output, number, 2, tree, "node-1", seconds) for number, seconds in enumerate((2.0, 60.0))]
    ranks[0].wait(timeout=300)
    ranks[1].kill()
    ranks[1].wait(timeout=60)
    job = Job.open(output)
    assert_whole(job, tree, "node-1")
    assert "rank 1 on node-1 is still recording, or was cut off" in caplog.text
    again = start(output, 1, 2, tree, "node-1", 0.5)
    assert again.wait(timeout=300) == 0
    attempts = [(rank.rank, rank.attempt) for rank in Job.open(output).ranks()]
    assert attempts == [(0, 1), (1, 2)]
