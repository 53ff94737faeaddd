"""Links, pipes and modes that somebody planted where commands and recordings write: nothing is written through them."""

from __future__ import annotations

import ast
import json
import os
import re
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import smaragdine
from smaragdine.cli import main
from smaragdine.daemon.client import Piece
from smaragdine.errors import SmaragdineError
from smaragdine.files.writing import Folder, written
from smaragdine.recording.output import Output
from testbed import synthetic_trace

KEYS = "ssh-ed25519 AAAA mine\n"


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    """What the victim would miss."""
    path = tmp_path / "authorized_keys"
    path.write_text(KEYS)
    return path


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return synthetic_trace.write(tmp_path_factory.mktemp("traces") / "bert")


@pytest.fixture
def sent(bert: Path, tmp_path: Path) -> Path:
    """A trace that somebody sent."""
    (tmp_path / "sent").mkdir()
    for file in bert.iterdir():
        (tmp_path / "sent" / file.name).write_bytes(file.read_bytes())
    return tmp_path / "sent"


def symbolic(at: Path, target: Path) -> None:
    at.symlink_to(target)


def in_a_chain(at: Path, target: Path) -> None:
    (at.parent / "chain").symlink_to(target)
    at.symlink_to("chain")


def hard(at: Path, target: Path) -> None:
    os.link(target, at)


COMMANDS = {
    "report.html": ["report"],
    "perfetto.json": ["export", "--format", "perfetto"],
    "figure.html": ["figure", "--kind", "sunburst", "-o"],
    "elsewhere.html": ["report", "-o"],
    "elsewhere.json": ["export", "--format", "perfetto", "-o"],
}


@pytest.mark.parametrize("plant", [symbolic, in_a_chain, hard])
@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_writes_over_a_link_and_not_through_it(
    name: str, plant: Callable[[Path, Path], None], sent: Path, keys: Path
) -> None:
    plant(sent / name, keys)
    command = COMMANDS[name]
    named = [str(sent / name)] if command[-1] == "-o" else []
    assert main([command[0], str(sent), *command[1:], *named]) == 0
    assert keys.read_text() == KEYS
    assert (sent / name).is_file() and not (sent / name).is_symlink()
    assert [file.name for file in sent.iterdir() if file.name.endswith(".partial")] == []


def test_a_folder_of_a_fixed_name_is_not_followed(sent: Path, tmp_path: Path) -> None:
    (tmp_path / "autostart").mkdir()
    (sent / "csv").symlink_to(tmp_path / "autostart")
    assert main(["export", str(sent), "--format", "csv"]) == 0
    assert list((tmp_path / "autostart").iterdir()) == []
    assert (sent / "csv" / "ledger.csv").is_file()


def test_a_table_goes_over_a_link_and_not_through_it(sent: Path, keys: Path) -> None:
    (sent / "csv").mkdir()
    (sent / "csv" / "ledger.csv").symlink_to(keys)
    assert main(["export", str(sent), "--format", "csv"]) == 0
    assert main(["export", str(sent), "--format", "csv", "-o", str(sent / "csv")]) == 0
    assert keys.read_text() == KEYS


def test_accounting_anew_goes_over_links_and_not_through_them(sent: Path, keys: Path) -> None:
    (sent / "footprint_domains.parquet").unlink()
    (sent / "trace.json.partial").symlink_to(keys)
    (sent / "footprint_domains.parquet").symlink_to(keys)
    main(["account", str(sent)])
    assert keys.read_text() == KEYS


@pytest.mark.parametrize("name", ["report.html", "perfetto.json"])
def test_a_pipe_of_a_fixed_name_is_replaced_and_holds_nobody_up(name: str, sent: Path) -> None:
    os.mkfifo(sent / name)
    command = COMMANDS[name]
    assert main([command[0], str(sent), *command[1:]]) == 0
    assert (sent / name).is_file()


@pytest.mark.parametrize("names", [["trace.json.partial", "a.parquet.partial"], ["a.parquet", "daemon.log"]])
def test_a_recording_writes_over_links_and_not_through_them(names: list[str], tmp_path: Path, keys: Path) -> None:
    output = Output.claim(tmp_path / "out")
    for name in names:
        (output.path / name).symlink_to(keys)
    output.begin("{}", Path("/run/s"), "r-1", "/state")
    (tmp_path / "log").write_text("serving")
    output.receive([Piece("a.parquet", b"x", True), Piece("trace.json", b"{}", True)], tmp_path / "log")
    assert keys.read_text() == KEYS
    assert (output.path / "a.parquet").read_bytes() == b"x"
    assert json.loads((output.path / "trace.json").read_text()) == {}


def test_a_folder_that_a_daemon_sends_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    output = Output.claim(tmp_path / "out")
    (output.path / "rank=0").symlink_to(tmp_path / "home")
    output.receive([Piece("rank=0/a.parquet", b"x", True), Piece("trace.json", b"{}", True)])
    assert list((tmp_path / "home").iterdir()) == []
    assert (output.path / "rank=0" / "a.parquet").read_bytes() == b"x"


def test_a_claim_takes_no_link(tmp_path: Path, keys: Path) -> None:
    with Folder.at(tmp_path / "out") as folder:
        for target in (keys, tmp_path / "absent"):
            (tmp_path / "out" / target.name).symlink_to(target)
            with pytest.raises(FileExistsError):
                folder.claim(target.name)
    assert not (tmp_path / "absent").exists()


def test_a_directory_that_is_moved_meanwhile_is_still_the_one_that_is_written(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    with Folder.at(tmp_path / "out") as folder, folder.new("a") as file:
        (tmp_path / "out").rename(tmp_path / "moved")
        (tmp_path / "out").symlink_to(tmp_path / "home")
        file.write(b"x")
    assert list((tmp_path / "home").iterdir()) == []
    assert (tmp_path / "moved" / "a").read_bytes() == b"x"


def test_what_fails_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text("old")
    with pytest.raises(TypeError), written(path) as file:
        file.writelines([b"half", "of another kind"])
    assert [entry.name for entry in tmp_path.iterdir()] == ["report.html"]
    assert path.read_text() == "old"


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_file_gets_the_mode_that_the_umask_leaves_and_what_was_private_stays_so(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        for name, was, becomes in [("new", None, 0o640), ("private", 0o600, 0o600), ("open", 0o4777, 0o640)]:
            if was is not None:
                (tmp_path / name).touch()
                (tmp_path / name).chmod(was)
            with written(tmp_path / name) as file:
                assert stat.S_IMODE(os.fstat(file.fileno()).st_mode) & ~becomes == 0, "nor wider for a moment"
            assert mode(tmp_path / name) == becomes
    finally:
        os.umask(before)


def command(*words: object) -> list[str]:
    return [sys.executable, "-m", "smaragdine", *map(str, words)]


@pytest.mark.parametrize("stream", ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])
def test_standard_output_is_written_as_it_is(stream: str, sent: Path, tmp_path: Path) -> None:
    piped = subprocess.run(command("report", sent, "-o", stream), capture_output=True, check=True).stdout
    assert piped.startswith(b"<!doctype html>") and piped.rstrip().endswith(b"</html>")
    with (tmp_path / "redirected").open("wb") as file:
        subprocess.run(command("export", sent, "--format", "perfetto", "-o", stream), stdout=file, check=True)
    assert json.loads((tmp_path / "redirected").read_text())["traceEvents"]
    assert Path("/dev/stdout").is_symlink()


def test_a_pipe_and_a_device_that_the_user_names_are_written_as_they_are(sent: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with subprocess.Popen(command("report", sent, "-o", tmp_path / "pipe")) as process:
        assert (tmp_path / "pipe").read_bytes().startswith(b"<!doctype html>")
        assert process.wait(60) == 0
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)
    assert main(["report", str(sent), "-o", "/dev/null"]) == 0
    assert stat.S_ISCHR(Path("/dev/null").lstat().st_mode)


@pytest.mark.parametrize("place", ["", "absent/report.html"])
def test_what_cannot_be_written_is_an_error_in_words(place: str, sent: Path) -> None:
    with pytest.raises(SmaragdineError, match="cannot write"):
        smaragdine.report.write([smaragdine.Trace.open(sent)], sent / place)


# Calls that write a file, or make one: by what they are called, and of `open` by its mode.
_WRITERS = re.compile(
    r"write_(text|bytes|table|image|html|csv|parquet|json)|to_(csv|parquet|file|pickle|excel|feather)|tofile|savefig|touch"
    r"|symlink_to|hardlink_to|copyfile|copy2|copytree|move|mkstemp|NamedTemporaryFile|TemporaryFile|FileHandler|fdopen"
    r"|symlink|link|savez?"
)
_LISTED = {
    # Where a private daemon's log goes: exclusively, in a directory that was made for it.
    ("daemon/private.py", 'log.open("xb")'),
    # Tables of another tool's log, in a temporary directory of our own on their way to the one way.
    ("trace/written.py", "connection.table(table).write_parquet(str(file), compression='zstd')"),
    # What a reader that has left would have got.
    ("cli/__init__.py", "os.open(os.devnull, os.O_WRONLY)"),
    # Handles for reading, which hold an address, a directory or a log.
    ("daemon/address.py", "os.open(socket, os.O_PATH | os.O_CLOEXEC)"),
    ("daemon/kept.py", "os.open(_LOG_FILE, _FILE, dir_fd=self._above)"),
    ("daemon/kept.py", "os.open(_LOCK, _FILE, dir_fd=self._above)"),
    ("daemon/kept.py", 'os.fdopen(log, "rb")'),
    ("files/firm.py", 'os.open("/", _WALKED)'),
    ("files/firm.py", "os.open(name, _WALKED, dir_fd=descriptor)"),
    ("files/firm.py", "os.open(directory.name, _LISTED, dir_fd=descriptor)"),
    ("files/firm.py", "os.open(name, _LISTED, dir_fd=above)"),
    ("files/regular.py", "os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY)"),
    # PyTorch writes its profile itself, into a new directory that nobody else enters.
    ("frameworks/torch/profiler.py", "result.save(str(directory / 'kineto.json'))"),
}


def _writes(call: ast.Call) -> bool:
    function = call.func
    name = (
        function.attr if isinstance(function, ast.Attribute) else function.id if isinstance(function, ast.Name) else ""
    )
    of_os = isinstance(function, ast.Attribute) and ast.unparse(function.value) == "os"
    if name in ("rename", "replace", "renames"):
        # A text's `replace` has two arguments, a path's one.
        return of_os or (name == "replace" and len(call.args) == 1 and not call.keywords)
    if name == "open":
        given = [*call.args, *(keyword.value for keyword in call.keywords if keyword.arg == "mode")]
        modes = [one.value for one in given if isinstance(one, ast.Constant) and isinstance(one.value, str)]
        return of_os or any(re.fullmatch(r"[rwaxbt+]{1,3}", mode) and re.search("[wax+]", mode) for mode in modes)
    # Functions of ours that print are called so as well; libraries' are methods.
    return _WRITERS.fullmatch(name) is not None and not (isinstance(function, ast.Name) and name.startswith("write_"))


def test_nothing_but_the_one_way_opens_a_file_for_writing() -> None:
    package = Path(smaragdine.__file__).parent
    files = sorted(package.rglob("*.py"))
    others = []
    for file in files:
        name = file.relative_to(package).as_posix()
        if name == "files/writing.py" or name.startswith("v1/"):
            continue
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and _writes(node):
                listed = {ast.unparse(ast.parse(call).body[0]) for of, call in _LISTED if of == name}
                if ast.unparse(node) not in listed:
                    others.append(f"{name}:{node.lineno}: {ast.unparse(node)}")
    assert len(files) > 50
    assert others == [], "write files by smaragdine.files.writing"
