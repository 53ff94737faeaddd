"""Ranks of a job that share an OUTPUT leave a trace each, which says whose it is."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import duckdb

import smaragdine
from smaragdine.recording.rank import Rank
from testbed.hardware import Tree

SMARAGDINE = [sys.executable, "-m", "smaragdine"]
PROGRAM = "import smaragdine, sys\nwith smaragdine.record(sys.argv[1], labels={'study': 'lr'}): pass"


def test_ranks_that_share_an_output_leave_a_trace_each(tree: Tree, tmp_path: Path) -> None:
    output = tmp_path / "job"
    by_hand = [sys.executable, "-c", PROGRAM, str(output)]
    by_command = [*SMARAGDINE, "run", "-o", str(output), "--label", "study=lr", "--", "true"]
    started = []
    for rank, command in enumerate((by_hand, by_command, by_hand)):
        told = {"RANK": str(rank), "WORLD_SIZE": "3", "LOCAL_RANK": str(rank), "SLURM_JOB_ID": "4711"}
        started.append(subprocess.Popen(command, env={**os.environ, **told}))
    assert [process.wait(timeout=120) for process in started] == [0, 0, 0]
    for rank in range(3):
        me = Rank(os.uname().nodename, rank, rank, 3, "4711")
        trace = smaragdine.Trace.open(output / me.folder)
        assert trace.metadata.labels == {**me.labels, "study": "lr"}
        assert trace.metadata.state == "complete"
    # Whoever reads Parquet by Hive's names has whose a row is from its path.
    rows = duckdb.sql(
        f"select host, rank, count(*) > 0 from read_parquet('{output}/host=*/rank=*/ledger.parquet') group by all"
    ).fetchall()
    assert sorted(rows) == [(os.uname().nodename, rank, True) for rank in range(3)]


def test_a_jobs_folder_without_a_trace_says_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "job" / "host=a" / "rank=0").mkdir(parents=True)
    told = subprocess.run([*SMARAGDINE, "ledger", str(tmp_path / "job")], capture_output=True, text=True, check=False)
    assert told.returncode == 2
    assert f"no trace below {tmp_path / 'job'} is finished" in told.stderr
    assert "rank 0 on a recorded nothing" in told.stderr
