"""A directory that somebody sent, and `smaragdine recover` on it: what it names is neither read nor changed."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from victim import Victim, kept

from served import served
from smaragdine.daemon.client import Client, StartOptions
from smaragdine.daemon.kept import mark, mark_private

Plant = Callable[["Victim"], Path]


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    directory = tmp_path_factory.mktemp("d")
    with served(directory, None) as daemon:
        client = Client(daemon.socket)
        client.start(StartOptions())
        time.sleep(0.5)
        client.close()
        (journal,) = daemon.state_dir.glob("*/journal")
        return journal.read_bytes()


@pytest.fixture
def victim(tmp_path: Path, journal: bytes) -> Victim:
    return Victim(tmp_path / "home", journal)


def named_like_ours(victim: Victim) -> Path:
    return victim.state(victim.results)


def sent_along(victim: Victim) -> Path:
    return victim.state(victim.sent / "smaragdine-x")


def linked_from_what_was_sent(victim: Victim) -> Path:
    state = victim.state(victim.results)
    (victim.sent / "smaragdine-x").symlink_to(victim.results)
    return victim.sent / "smaragdine-x" / state.name


def marked_for_another_output(victim: Victim) -> Path:
    other = victim.home / "mine"
    other.mkdir()
    state = victim.state(victim.results)
    mark(state, "r-1", other)
    mark_private(victim.results, Path("/nonexistent/socket"))
    return state


def marked_by_a_name_that_was_sent(victim: Victim) -> Path:
    state = victim.state(victim.sent / "smaragdine-x")
    other = victim.home / "attackers"
    mark(victim.state(other / "smaragdine-x"), "r-1", other)
    for forged in (other / "smaragdine-x" / "r-1").iterdir():
        (state / forged.name).touch()
    return state


def relative(victim: Victim) -> Path:
    victim.state(victim.results)
    os.chdir(victim.home)
    return Path("smaragdine-results/r-1")


@pytest.mark.parametrize(
    "plant",
    [named_like_ours, sent_along, linked_from_what_was_sent, marked_for_another_output, marked_by_a_name_that_was_sent,
     relative],
)  # fmt: skip
def test_a_state_directory_that_this_recording_did_not_mark_is_left_alone(
    plant: Plant, victim: Victim, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(victim.home)
    victim.names(plant(victim))
    (victim.sent / "daemon.log").symlink_to(victim.start_file)
    before = sorted(victim.home.rglob("*"))
    assert victim.recover() == 1
    assert "left alone" in capsys.readouterr().err
    assert victim.unharmed()
    assert sorted(victim.home.rglob("*")) == before


def by_others(victim: Victim, state: Path) -> None:
    state.parent.chmod(0o777)


def by_others_above(victim: Victim, state: Path) -> None:
    victim.home.chmod(0o777)


def by_a_group_where_others_may_enter(victim: Victim, state: Path) -> None:
    state.parent.chmod(0o755)
    state.chmod(0o775)


@pytest.mark.parametrize("opened", [by_others, by_others_above, by_a_group_where_others_may_enter])
def test_a_state_directory_that_others_can_change_is_left_alone(
    opened: Callable[[Victim, Path], None], victim: Victim, capsys: pytest.CaptureFixture[str]
) -> None:
    state = kept(victim)
    opened(victim, state)
    assert victim.recover() == 1
    assert "left alone: it " in capsys.readouterr().err
    assert (state / "journal").exists()


def a_link(state: Path) -> None:
    (state / "trace" / "ledger.parquet").symlink_to("/etc/passwd")


def a_link_as_journal(state: Path) -> None:
    (state / "journal").rename(state.parent.parent / "journal")
    (state / "journal").symlink_to(state.parent.parent / "journal")


def a_second_name(state: Path) -> None:
    os.link(state.parent.parent / ".bashrc", state / "trace" / "x")


def a_pipe(state: Path) -> None:
    (state / "journal").unlink()
    os.mkfifo(state / "journal")


@pytest.mark.parametrize("planted", [a_link, a_link_as_journal, a_second_name, a_pipe])
def test_a_state_directory_that_holds_anything_but_plain_files_is_left_alone(
    planted: Callable[[Path], None], victim: Victim, capsys: pytest.CaptureFixture[str]
) -> None:
    state = kept(victim)
    planted(state)
    assert victim.recover() == 1
    assert "which is a link, or no file of yours" in capsys.readouterr().err
    assert victim.unharmed()
    assert state.is_dir()


def test_what_this_recording_marked_is_recovered_and_removed(victim: Victim) -> None:
    state = kept(victim)
    assert victim.recover() == 0
    assert json.loads((victim.sent / "trace.json").read_text())["state"] == "cut"
    assert (victim.sent / "daemon.log").read_text() == "serving\n"
    assert not state.parent.exists()
    assert victim.unharmed()


def test_a_log_goes_over_a_link_and_not_through_it(victim: Victim) -> None:
    kept(victim)
    (victim.sent / "daemon.log").symlink_to(victim.start_file)
    assert victim.recover() == 0
    assert victim.unharmed()
    assert not (victim.sent / "daemon.log").is_symlink()


def test_a_log_that_is_a_link_is_not_copied(victim: Victim) -> None:
    state = kept(victim)
    (state.parent / "daemon.log").unlink()
    (state.parent / "daemon.log").symlink_to(victim.start_file)
    assert victim.recover() == 0
    assert not (victim.sent / "daemon.log").exists()
    assert victim.unharmed()


def test_what_no_daemon_made_in_its_directory_stays(victim: Victim) -> None:
    state = kept(victim)
    (state.parent / "notes").write_text("mine")
    assert victim.recover() == 0
    assert (state.parent / "notes").read_text() == "mine"


def test_what_a_daemon_that_runs_still_keeps_is_recovered_and_stays(
    victim: Victim, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("smaragdine.daemon.kept._PATIENCE_S", 0.1)
    state = kept(victim)
    with (state.parent / "lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert victim.recover() == 0
    assert (state / "journal").exists()


def test_an_empty_directory_that_is_named_as_a_socket_s_stays(victim: Victim) -> None:
    state = kept(victim)
    for name in ("empty", "smaragdine-mine"):
        (victim.home / name).mkdir(mode=0o700)
        victim.sent.joinpath("trace.json").unlink()
        victim.names(state, socket=str(victim.home / name / "socket"))
    assert victim.recover() == 0
    assert (victim.home / "smaragdine-mine").is_dir()
    assert not state.parent.exists()


def test_a_journal_that_lies_in_the_directory_itself_is_recovered(victim: Victim) -> None:
    victim.names("/nonexistent/r-1")
    (victim.sent / "journal").write_bytes(victim.journal)
    assert victim.recover() == 0
    assert json.loads((victim.sent / "trace.json").read_text())["state"] == "cut"


@pytest.mark.parametrize("name", ["", "/", "..", "/..", "a\0b", "/tmp/a\0b/c", "/proc/self/fd/0", "x" * 5000])
def test_any_text_as_a_state_directory_is_refused_in_words(
    name: str, victim: Victim, capsys: pytest.CaptureFixture[str]
) -> None:
    victim.names(name, socket=name)
    assert victim.recover() == 1
    assert "error: " in capsys.readouterr().err


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes a socket of another user's")
def test_a_socket_of_another_user_s_is_not_asked(victim: Victim) -> None:
    place = victim.home / "s"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(place))
        listening.listen()
        listening.setblocking(False)
        os.chown(place, 61_003, -1)
        victim.names("/nonexistent/r-1", socket=str(place))
        assert victim.recover() == 1
        with pytest.raises(BlockingIOError):
            listening.accept()
