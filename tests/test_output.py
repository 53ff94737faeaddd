"""OUTPUT is never overwritten, and is seen complete only when it is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from smaragdine.client import Piece
from smaragdine.errors import SmaragdineError
from smaragdine.output import Output, choose


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


def test_two_recordings_never_share_a_directory(tmp_path: Path) -> None:
    trace(tmp_path / "run", "complete")
    first, second = Output.claim(tmp_path / "run"), Output.claim(tmp_path / "run")
    assert (first.path, second.path) == (tmp_path / "run-2", tmp_path / "run-3")


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda path: path.write_text("x"), "no directory"),
        (lambda path: (path.mkdir(), (path / "notes.txt").write_text("x")), "no trace"),
        (lambda path: (path.mkdir(), (path / "trace.json").write_text("{")), "cannot be read"),
        (lambda path: (path.mkdir(), (path / "trace.json").write_text("[]")), "another kind"),
        (lambda path: trace(path, "recording"), "still runs or was cut"),
    ],
)
def test_any_other_output_is_an_error_that_says_what_is_there(make, said: str, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    make(tmp_path / "out")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(SmaragdineError) as raised:
        choose(tmp_path / "out")
    assert said in raised.value.message
    assert raised.value.hint
    assert sorted(tmp_path.rglob("*")) == before


def test_a_directory_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(SmaragdineError) as raised:
        Output.claim(tmp_path / "file" / "out")
    assert str(tmp_path / "file" / "out") in raised.value.message


def test_a_claim_that_is_given_back_leaves_what_was_there(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for name in ("empty", "new"):
        Output.claim(tmp_path / name).give_back()
    assert (tmp_path / "empty").is_dir()
    assert not (tmp_path / "new").exists()


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
