"""Where a trace lands: beside what a job left that was started before, and where it was named, wherever that goes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from conftest import Told, state

from smaragdine.cli import main

REQUEUED = """
import logging, sys, time
logging.basicConfig(level="WARNING")
import smaragdine
with smaragdine.record(sys.argv[1]) as recording:
    print("training", flush=True)
    time.sleep(float(sys.argv[2]))
print(recording.path)
"""


def test_a_job_that_is_killed_and_started_again_trains_each_time_into_a_trace_of_its_own(
    told: Told, tmp_path: Path
) -> None:
    for number in range(3):
        command = [sys.executable, "-c", REQUEUED, "runs/job", "60"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=tmp_path) as killed:
            assert killed.stdout is not None
            assert killed.stdout.readline() == b"training\n"
            killed.kill()
        assert len(list(tmp_path.glob("runs/*"))) == number + 1
    command[-1] = "0"
    last = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=True)
    assert last.stdout == f"training\n{tmp_path}/runs/job-4\n"
    assert f"smaragdine recover {tmp_path}/runs/job" in last.stderr
    states = {path.parent.name: state(path.parent) for path in tmp_path.glob("runs/*/trace.json")}
    assert states == {"job": "recording", "job-2": "recording", "job-3": "recording", "job-4": "complete"}


def test_two_ranks_on_one_output_at_once_record_two_traces(told: Told, tmp_path: Path) -> None:
    command = [sys.executable, "-c", REQUEUED, str(tmp_path / "job"), "0.5"]
    ranks = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    paths = [rank.communicate(timeout=60)[0].splitlines()[-1] for rank in ranks]
    assert sorted(paths) == [str(tmp_path / "job"), str(tmp_path / "job-2")]
    assert state(tmp_path / "job") == state(tmp_path / "job-2") == "complete"


def test_run_started_again_on_what_was_cut_off_goes_beside_it(
    told: Told, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "trace.json").write_text('{"state": "recording"}')
    assert main(["run", "-o", str(tmp_path / "out"), "--", "sh", "-c", "exit 5"]) == 5
    assert state(tmp_path / "out-2") == "complete"
    assert "smaragdine recover" in caplog.text


@pytest.mark.parametrize("content", ['{"state": "recording"}', ""])
def test_recover_says_where_nothing_was_measured(
    content: str, told: Told, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "trace.json").write_text(content)
    assert main(["recover", str(tmp_path)]) == 1
    assert "nothing was measured" in capsys.readouterr().err


CHANGES_DIRECTORY = """
import os, sys, smaragdine
os.mkdir("elsewhere")
with smaragdine.record("runs/mine") as recording:
    os.chdir("elsewhere")
print(recording.path)
with smaragdine.record("../runs/mine") as recording: pass
print(recording.path.resolve())
"""


def test_a_program_that_changes_its_directory_has_its_trace_where_it_named_it(told: Told, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CHANGES_DIRECTORY], capture_output=True, text=True, cwd=tmp_path, check=True
    )
    assert done.stdout == f"{tmp_path}/runs/mine\n{tmp_path}/runs/mine-2\n"
    assert state(tmp_path / "runs" / "mine") == state(tmp_path / "runs" / "mine-2") == "complete"
    assert list((tmp_path / "elsewhere").iterdir()) == []
