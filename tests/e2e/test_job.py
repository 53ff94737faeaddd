"""Four ranks on one machine, and two machines of four: every joule of their registers is in the job once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from smaragdine import Job, Trace
from testbed.hardware import Tree
from tests.support.ranked import assert_whole, may_unshare, record_on_two_nodes, start


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
    # On a file system that a thousand ranks share, each has a few files, in a folder of its own, and no lock.
    assert all(len(list(part.path.rglob("*"))) <= 16 for part in job.parts)
    assert [path.name for path in output.iterdir()] == ["host=node-1"]


@pytest.mark.parametrize("unshared", [True, False], ids=["namespaces", "roots"])
def test_two_nodes_of_four_ranks_hold_both_registers_by_library_merge_and_sql(unshared: bool, tmp_path: Path) -> None:
    if unshared and not may_unshare():
        pytest.skip("needs to be root, with namespaces; the other form of this test does without")
    output = record_on_two_nodes(tmp_path, unshared=unshared)
    job = Job.open(output)
    assert len(job.parts) == 8
    done = subprocess.run([sys.executable, "-m", "smaragdine", "merge", str(output)], check=False)
    assert done.returncode == 0
    total = job.ledger().total["measured"]
    assert Trace.open(output).ledger().total["measured"] == pytest.approx(total, rel=1e-12)
    # As whoever has nothing but DuckDB.
    query = f"select sum(energy_j) from '{output}/ledger.parquet' where policy = 'equal'"
    assert duckdb.sql(query).fetchall()[0][0] == pytest.approx(total, rel=1e-9)


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
    # What it left when it was killed is rebuilt, and is in the job from then on, told as cut.
    lost = output / "host=node-1" / "rank=1"
    subprocess.run([sys.executable, "-m", "smaragdine", "recover", str(lost)], check=True)
    job = Job.open(output)
    assert [(rank.rank, rank.attempt) for rank in job.ranks()] == [(0, 1), (1, 1), (1, 2)]
    assert any("rank 1 on node-1" in warning and "cut" in warning for warning in job.metadata.warnings)
