"""Where an appendix is written: over an earlier one and nothing else, and nothing is removed that is not its own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from smaragdine import SmaragdineError, appendix
from smaragdine.appendix.folder import LIST


def test_a_later_build_replaces_an_earlier_one_and_leaves_nothing_of_it(tmp_path: Path) -> None:
    directory = tmp_path / "site"
    appendix.write({"index.html": b"1", "runs/a.html": b"a", "data/x/y.csv": b"y"}, directory)
    (directory / ".git").write_text("gitdir: elsewhere")
    (directory / "CNAME").write_text("example.org")
    appendix.write({"index.html": b"2", "runs/b.html": b"b"}, directory)
    found = {str(path.relative_to(directory)) for path in directory.rglob("*")}
    assert found == {".git", "CNAME", LIST, "index.html", "runs", "runs/b.html"}
    assert (directory / "index.html").read_bytes() == b"2"


@pytest.mark.parametrize("other", ["notes.txt", "runs/mine.html", "index.html", ".hidden"])
def test_a_directory_that_holds_something_else_is_refused_and_stays_as_it_is(tmp_path: Path, other: str) -> None:
    directory = tmp_path / "site"
    if other != "index.html":
        appendix.write({"index.html": b"1"}, directory)
    (directory / other).parent.mkdir(parents=True, exist_ok=True)
    (directory / other).write_text("mine")
    before = {path: path.read_bytes() for path in directory.rglob("*") if path.is_file()}
    with pytest.raises(SmaragdineError, match="holds something else"):
        appendix.write({"index.html": b"2"}, directory)
    assert {path: path.read_bytes() for path in directory.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    "listed",
    [["../mine"], ["/etc/passwd"], ["index.html", "data/../../mine"], [7], "index.html", [".git/config"]],
)
def test_a_list_that_somebody_wrote_has_nothing_removed_elsewhere(tmp_path: Path, listed: object) -> None:
    (tmp_path / "mine").write_text("mine")
    directory = tmp_path / "site"
    directory.mkdir()
    (directory / LIST).write_text(json.dumps({"files": listed}))
    appendix.write({"index.html": b"2"}, directory)
    assert (tmp_path / "mine").read_text() == "mine"


def test_a_link_in_the_directory_is_something_else(tmp_path: Path) -> None:
    directory, elsewhere = tmp_path / "site", tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "a.html").write_text("mine")
    appendix.write({"index.html": b"1", "runs/a.html": b"a"}, directory)
    (directory / "runs" / "a.html").unlink()
    (directory / "runs").rmdir()
    (directory / "runs").symlink_to(elsewhere)
    with pytest.raises(SmaragdineError, match="holds something else: runs"):
        appendix.write({"index.html": b"2"}, directory)
    assert (elsewhere / "a.html").read_text() == "mine"


def test_a_file_in_the_place_of_the_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "site").write_text("mine")
    with pytest.raises(SmaragdineError, match="is a file"):
        appendix.write({"index.html": b"2"}, tmp_path / "site")
