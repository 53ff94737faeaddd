"""The daemon is found, or started for this process alone; where it is not, the message says why and what to do."""

from __future__ import annotations

import os
import socket as sockets
from pathlib import Path

import pytest
from conftest import Told

import smaragdine
from smaragdine.daemon import binary, running
from smaragdine.daemon import private as privates
from smaragdine.daemon.binary import find_binary
from smaragdine.daemon.private import PrivateDaemon
from smaragdine.daemon.reached import Reached, reach
from smaragdine.daemon.running import running_socket
from smaragdine.errors import SmaragdineError

pytestmark = pytest.mark.daemon


@pytest.fixture
def stale(tmp_path: Path) -> Path:
    """A socket whose daemon has ended."""
    path = tmp_path / "stale"
    with sockets.socket(sockets.AF_UNIX) as listener:
        listener.bind(str(path))
    return path


def test_a_missing_daemon_is_told_with_every_place_that_was_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SMARAGDINE_BIN", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    places = [tmp_path / "scripts" / "smaragdined", tmp_path / "bin" / "smaragdined"]
    monkeypatch.setattr(binary, "_candidates", lambda: iter(places))
    with pytest.raises(SmaragdineError) as raised:
        find_binary()
    assert all(str(place) in raised.value.message for place in places)
    assert "SMARAGDINE_BIN" in str(raised.value.hint)


def test_the_first_place_that_holds_it_wins_and_path_is_the_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SMARAGDINE_BIN", raising=False)
    for name in ("b", "path"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "smaragdined").touch(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    monkeypatch.setattr(binary, "_candidates", lambda: iter([tmp_path / "a" / "x", tmp_path / "b" / "smaragdined"]))
    assert find_binary() == tmp_path / "b" / "smaragdined"
    (tmp_path / "b" / "smaragdined").unlink()
    assert find_binary() == tmp_path / "path" / "smaragdined"


def test_it_is_looked_for_in_the_bin_beside_the_package_where_installing_into_a_target_leaves_it() -> None:
    package = Path(smaragdine.__file__).parent
    assert package.parent / "bin" / "smaragdined" in list(binary._candidates())


def test_a_binary_that_was_named_and_is_none_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMARAGDINE_BIN", str(tmp_path / "nothing"))
    with pytest.raises(SmaragdineError, match="SMARAGDINE_BIN"):
        find_binary()


def test_a_private_daemon_serves_in_a_session_of_its_own_until_its_lifeline_closes(told: Told) -> None:
    private = PrivateDaemon.start()
    serving = told.wait_for("serving")
    assert serving["session"] == serving["pid"]
    assert private.socket.parent.stat().st_mode & 0o777 == 0o700
    assert "serving" in private.log.read_text()
    private.close()
    told.wait_for("lifeline")
    assert not private.socket.exists()
    assert not private.state_dir.exists()


def test_state_that_is_still_needed_is_kept(told: Told) -> None:
    private = PrivateDaemon.start()
    private.close(keep_state=True)
    assert private.log.is_file()


def test_a_daemon_that_ends_at_once_is_told_with_its_last_words(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_FAULT", "startup")
    with pytest.raises(SmaragdineError) as raised:
        PrivateDaemon.start()
    assert "code 4" in raised.value.message
    assert "address already in use" in raised.value.message


def test_a_daemon_that_never_serves_is_ended_and_told(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    binary = Path(os.environ["SMARAGDINE_BIN"])
    binary.write_text("#!/bin/sh\necho thinking >&2\nexec sleep 600\n")
    monkeypatch.setattr(privates, "START_TIMEOUT_S", 0.5)
    with pytest.raises(SmaragdineError, match="did not serve") as raised:
        PrivateDaemon.start()
    assert "thinking" in raised.value.message


def test_a_binary_for_another_machine_is_an_error(told: Told) -> None:
    Path(os.environ["SMARAGDINE_BIN"]).write_bytes(b"\x7fELF rubbish")
    with pytest.raises(SmaragdineError, match="cannot start"):
        PrivateDaemon.start()


def test_the_private_socket_lies_in_the_runtime_directory_unless_its_path_is_too_long(
    told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = Path("/tmp") / f"run-{os.getpid()}"
    runtime.mkdir(mode=0o700)
    try:
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
        private = PrivateDaemon.start()
        assert private.socket.is_relative_to(runtime)
        private.close()
        assert list(runtime.iterdir()) == []
    finally:
        runtime.rmdir()
    (tmp_path / ("x" * 100)).mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / ("x" * 100)))
    private = PrivateDaemon.start()
    assert not private.socket.is_relative_to(tmp_path / ("x" * 100))
    private.close()


def test_a_socket_path_that_the_kernel_cannot_take_is_told_with_its_length(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SMARAGDINE_SOCKET", "/run/" + "é" * 60)
    with pytest.raises(SmaragdineError, match="125 bytes") as raised:
        running_socket()
    assert "shorter" in str(raised.value.hint)


def test_a_daemon_that_was_named_must_answer(stale: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path, said in ((stale, "stale"), (tmp_path / "none", "no such file"), (tmp_path / "file", "no socket")):
        monkeypatch.setenv("SMARAGDINE_SOCKET", str(path))
        with pytest.raises(SmaragdineError, match=said) as raised:
            running_socket()
        assert "unset SMARAGDINE_SOCKET" in str(raised.value.hint)


def test_the_systems_daemon_is_used_where_it_answers_and_left_aside_where_it_does_not(
    told: Told, stale: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    system = PrivateDaemon.start()
    monkeypatch.setattr(running, "SYSTEM_SOCKET", system.socket)
    assert reach() == Reached(system.socket, None, None)
    system.close()
    monkeypatch.setattr(running, "SYSTEM_SOCKET", stale)
    reached = reach()
    assert reached.private is not None
    assert "stale" in str(reached.remark)
    reached.close()
