"""OUTPUT is never overwritten, and is seen complete only when it is."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from smaragdine.daemon.client import Piece
from smaragdine.errors import SmaragdineError, UsageError
from smaragdine.recording.destination import choose
from smaragdine.recording.output import Output
from smaragdine.recording.rank import Rank


def trace(directory: Path, state: str) -> Path:
    directory.mkdir(parents=True)
    (directory / "trace.json").write_text(json.dumps({"state": state}))
    return directory


def test_a_new_or_empty_directory_is_taken_as_it_is(tmp_path: Path) -> None:
    assert Output.claim(tmp_path / "a" / "b").path == tmp_path / "a" / "b"
    (tmp_path / "empty").mkdir()
    assert Output.claim(tmp_path / "empty").path == tmp_path / "empty"


@pytest.mark.parametrize("state", ["complete", "cut"])
def test_a_finished_trace_is_left_alone_and_the_next_number_taken(state: str, tmp_path: Path) -> None:
    trace(tmp_path / "run", state)
    trace(tmp_path / "run-2", "recording")
    (tmp_path / "run-3").write_text("a file")
    assert Output.claim(tmp_path / "run").path == tmp_path / "run-4"


@pytest.mark.parametrize("content", ['{"state": "recording"}', "", "\0" * 16])
def test_a_recording_that_runs_or_was_cut_off_is_left_alone_and_told_how_to_rebuild(
    content: str, tmp_path: Path
) -> None:
    """An empty trace.json was taken this moment, or is what a failure of the machine left of one."""
    trace(tmp_path / "run", "recording")
    (tmp_path / "run" / "trace.json").write_text(content)
    output = Output.claim(tmp_path / "run")
    assert output.path == tmp_path / "run-2"
    assert f"`smaragdine recover {tmp_path / 'run'}`" in str(output.remark)
    third = Output.claim(tmp_path / "run")
    assert third.path == tmp_path / "run-3"
    assert f"{tmp_path / 'run'}, {tmp_path / 'run-2'}: " in str(third.remark)
    assert (tmp_path / "run" / "trace.json").read_text() == content


def test_two_recordings_never_share_a_directory(tmp_path: Path) -> None:
    trace(tmp_path / "run", "complete")
    first, second = Output.claim(tmp_path / "run"), Output.claim(tmp_path / "run")
    assert (first.path, second.path) == (tmp_path / "run-2", tmp_path / "run-3")


CLAIMS = """
import sys, time
from smaragdine.recording.output import Output
from smaragdine.recording.rank import Rank
while time.time() < float(sys.argv[2]): pass
for _ in range(20): print(Output.claim(sys.argv[1]).path)
"""


def test_ranks_that_start_at_the_same_moment_get_a_directory_each(tmp_path: Path) -> None:
    command = [sys.executable, "-c", CLAIMS, str(tmp_path / "run"), str(time.time() + 2)]
    ranks = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(4)]
    told = [rank.communicate(timeout=60) for rank in ranks]
    assert [errors for _, errors in told] == [""] * 4
    paths = [path for out, _ in told for path in out.split()]
    assert sorted(paths) == sorted(str(tmp_path / "run") + suffix for suffix in ["", *(f"-{n}" for n in range(2, 81))])


def test_output_is_where_it_was_named_whatever_directory_the_program_is_in_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    output = Output.claim("runs/mine")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    output.begin("{}", Path("/run/s"), "r-1", "/state")
    output.receive([Piece("a.parquet", b"x", True), Piece("trace.json", b"{}", True)])
    assert sorted(file.name for file in (tmp_path / "runs" / "mine").iterdir()) == ["a.parquet", "trace.json"]
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_working_directory_that_is_gone_is_an_error_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    with pytest.raises(SmaragdineError, match="cannot write to OUTPUT run"):
        Output.claim("run")


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda path: path.write_text("x"), "no directory"),
        (lambda path: (path.mkdir(), (path / "notes.txt").write_text("x")), "no trace"),
        (lambda path: (path.mkdir(), (path / "trace.json").write_text("{")), "cannot be read"),
        (lambda path: (path.mkdir(), (path / "trace.json").write_text("[]")), "another kind"),
        (lambda path: (path.mkdir(), (path / "trace.json").write_text('{"traceEvents": []}')), "another kind"),
        (lambda path: path.symlink_to("nowhere"), "no directory"),
    ],
)
def test_any_other_output_is_an_error_that_says_what_is_there(make, said: str, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    make(tmp_path / "out")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(UsageError) as raised:
        choose(tmp_path / "out")
    assert said in raised.value.message
    assert raised.value.hint
    assert sorted(tmp_path.rglob("*")) == before


def test_a_directory_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(SmaragdineError) as raised:
        Output.claim(tmp_path / "file" / "out")
    assert str(tmp_path / "file" / "out") in raised.value.message


def test_a_name_that_is_too_long_for_a_number_is_an_error_and_no_search_without_end(tmp_path: Path) -> None:
    trace(tmp_path / ("x" * 254), "complete")
    with pytest.raises(SmaragdineError, match="too long"):
        Output.claim(tmp_path / ("x" * 254))


def test_a_claim_that_is_given_back_leaves_what_was_there(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for name in ("empty", "new"):
        Output.claim(tmp_path / name).give_back()
    assert (tmp_path / "empty").is_dir()
    assert not (tmp_path / "new").exists()


def test_what_others_put_into_a_directory_meanwhile_stays(tmp_path: Path) -> None:
    output = Output.claim(tmp_path / "new")
    (tmp_path / "new" / "checkpoint").touch()
    output.give_back()
    assert [file.name for file in (tmp_path / "new").iterdir()] == ["checkpoint"]


def test_trace_json_changes_only_after_all_tables_are_there(tmp_path: Path) -> None:
    output = Output.claim(tmp_path / "out")
    output.begin("{}", Path("/run/s"), "r-1", "/state")
    seen: list[str] = []

    def pieces() -> Iterator[Piece]:
        yield Piece("trace.json", b'{"state": "compl', False)
        yield Piece("trace.json", b'ete"}', True)
        yield Piece("events.parquet", b"PAR", False)
        assert not (output.path / "events.parquet").exists()
        yield Piece("events.parquet", b"1", True)
        seen.append(json.loads((output.path / "trace.json").read_text())["state"])

    output.receive(pieces())
    assert seen == ["recording"]
    assert json.loads((output.path / "trace.json").read_text())["state"] == "complete"
    assert sorted(file.name for file in output.path.iterdir()) == ["events.parquet", "trace.json"]


def test_a_recording_trace_json_keeps_what_the_daemon_said_and_where_it_is(tmp_path: Path) -> None:
    output = Output.claim(tmp_path / "out")
    output.begin('{"name": "bert", "state_dir": "/var/x"}', Path("/run/s"), "r-1", "/other")
    assert json.loads((output.path / "trace.json").read_text()) == {
        "name": "bert",
        "state_dir": "/var/x",
        "state": "recording",
        "recording": "r-1",
        "socket": "/run/s",
    }


@pytest.mark.parametrize("path", ["/etc/passwd", "../x", "a/../../x", ""])
def test_a_daemon_cannot_write_outside_output(path: str, tmp_path: Path) -> None:
    output = Output.claim(tmp_path / "out")
    with pytest.raises(SmaragdineError):
        output.receive([Piece(path, b"x", True)])
    assert sorted(tmp_path.rglob("*")) == [tmp_path / "out", tmp_path / "out" / "trace.json"]


A, B = Rank("a", 0, world_size=2), Rank("b", 1, world_size=2)


def test_ranks_share_an_output_and_each_writes_a_folder_of_its_own(tmp_path: Path) -> None:
    first, second = Output.claim(tmp_path / "run", A), Output.claim(tmp_path / "run", B)
    assert (first.path, first.remark) == (tmp_path / "run" / "host=a" / "rank=0", None)
    assert second.path == tmp_path / "run" / "host=b" / "rank=1"


def test_a_second_training_of_each_rank_goes_to_the_same_next_output(tmp_path: Path) -> None:
    trace(tmp_path / "run-2", "complete")
    paths = [Output.claim(tmp_path / "run", rank).path for rank in (A, A, B, B)]
    assert paths == [tmp_path / job / rank.folder for rank in (A, B) for job in ("run", "run-3")]


@pytest.mark.parametrize(("state", "hinted"), [("complete", False), ("cut", False), ("recording", True)])
def test_a_rank_that_is_started_again_is_a_further_attempt(state: str, hinted: bool, tmp_path: Path) -> None:
    folder = trace(tmp_path / "run" / A.folder, state)
    trace(folder / "attempt=2", "complete")
    output = Output.claim(tmp_path / "run", A)
    assert output.path == folder / "attempt=3"
    assert "an earlier attempt of rank 0" in str(output.remark)
    assert (f"`smaragdine recover {folder}`" in str(output.remark)) is hinted


def test_a_rank_that_did_not_start_leaves_its_place_to_the_next(tmp_path: Path) -> None:
    Output.claim(tmp_path / "run", A).give_back()
    assert Output.claim(tmp_path / "run", A).path == tmp_path / "run" / A.folder


def test_a_process_that_is_alone_leaves_a_jobs_folder_alone(tmp_path: Path) -> None:
    trace(tmp_path / "run" / A.folder, "complete")
    output = Output.claim(tmp_path / "run")
    assert output.path == tmp_path / "run-2"
    assert "holds the traces of a job" in str(output.remark)


def test_a_rank_leaves_what_is_no_job_alone(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "notes.txt").write_text("x")
    with pytest.raises(UsageError, match="holds is no trace"):
        choose(tmp_path / "run", A)
