"""Attacks on a daemon's doors: who may connect, where it lies, whose process is measured, what it is started with."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from attack import REPEATED

from served import Other, RefusedError, needs_root, served, wait_until
from smaragdine.daemon.binary import find_binary
from testbed.hardware import Tree

ALICE, WARD, EVE = 61_001, 61_004, 61_003
USERS, OBSERVERS = 62_001, 62_002


def may_connect(path: Path, uid: int, *groups: int) -> bool:
    """Whether a user's program gets as far as the socket."""
    words = "import socket, sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])"
    command = ["setpriv", f"--reuid={uid}", f"--regid={uid}"]
    command += [f"--groups={','.join(map(str, groups))}"] if groups else ["--clear-groups"]
    return subprocess.run([*command, "/usr/bin/python3", "-c", words, path], capture_output=True).returncode == 0


def refused(*options: str, state: Path | str, at: Path | str, **more: object) -> str:
    """What a daemon says that does not start with these; it ends with code 2."""
    command = [str(find_binary()), "serve", "--socket", str(at), "--state-dir", str(state), *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, **more)  # type: ignore[call-overload]
    assert done.returncode == 2, done.stderr
    assert "panicked" not in done.stderr
    return str(done.stderr)


@needs_root
@pytest.mark.parametrize("users", [USERS, None])
def test_observers_reach_the_daemon_without_being_of_its_group_and_nobody_else_does(
    open_to_all: Path, tree: Tree, users: int | None
) -> None:
    options = ["--observers", str(OBSERVERS), *(["--group", str(users)] if users else [])]
    with served(open_to_all, tree.root, *options, socket=open_to_all / "run" / "s") as daemon:
        assert stat.S_IMODE(daemon.socket.parent.stat().st_mode) == 0o711
        with Other(daemon.socket) as root, Other(daemon.socket, uid=WARD, groups=[OBSERVERS]) as ward:
            recording = root.ask("start")["recording"]
            assert ward.ask("watch", recording=recording)["package-0"] > 0
            with pytest.raises(RefusedError, match="there is no recording"):
                ward.ask("stop", recording=recording)
        if not Path("/usr/bin/python3").exists():
            pytest.skip("there is no interpreter that another user may run")
        assert may_connect(daemon.socket, WARD, 5, OBSERVERS)
        assert may_connect(daemon.socket, ALICE, USERS) == (users is not None)
        assert not may_connect(daemon.socket, EVE)
        assert not may_connect(daemon.socket, EVE, 5, 0)


@needs_root
def test_observers_of_a_daemon_that_is_not_root_s_reach_it_too(open_to_all: Path, tree: Tree) -> None:
    """As under systemd: its user is in neither group that it lets in, and may change no owner."""
    home = open_to_all / "home"
    home.mkdir()
    os.chown(home, ALICE, ALICE)
    if subprocess.run(["setpriv", f"--reuid={ALICE}", "--clear-groups", find_binary(), "--version"]).returncode:
        pytest.skip("another user may not run the daemon of this checkout")
    before = ["setpriv", f"--reuid={ALICE}", f"--regid={ALICE}", "--clear-groups"]
    with (
        served(home, tree.root, "--observers", str(OBSERVERS), "--group", str(ALICE), before=before) as daemon,
        Other(daemon.socket, uid=WARD, groups=[OBSERVERS]) as ward,
    ):
        assert ward.ask("describe") == 0


@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o775, 0o757])
def test_a_directory_that_others_may_write_is_refused_for_socket_and_state(tmp_path: Path, mode: int) -> None:
    wide = tmp_path / "wide"
    wide.mkdir()
    wide.chmod(mode)
    for told in (refused(at=wide / "s", state=tmp_path / "state"), refused(at=tmp_path / "s", state=wide)):
        assert f"others may write in {wide}" in told and "hint: " in told
    below = [refused(at=wide / "own" / "s", state=tmp_path / "state")] if not mode & stat.S_ISVTX else []
    assert all(f"others may write in {wide}" in told for told in below)
    assert list(wide.iterdir()) == []


@needs_root
def test_a_directory_that_another_user_owns_is_refused_wherever_it_is_on_the_way(tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    (theirs / "ours").mkdir(parents=True)
    os.chown(theirs, EVE, EVE)
    (tmp_path / "link").symlink_to(theirs / "ours")
    for place in (theirs, theirs / "ours", theirs / "new", tmp_path / "link"):
        for told in (refused(at=place / "s", state=tmp_path / "state"), refused(at=tmp_path / "s", state=place)):
            assert f"{theirs} is user {EVE}'s" in told and "hint: " in told
    assert not (theirs / "new").exists()


@needs_root
def test_a_daemon_that_waits_is_not_led_elsewhere_by_links_that_another_user_planted(tmp_path: Path) -> None:
    """In a directory that is sticky, where others may add what they like beside ours."""
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    victim = tmp_path / "victim"
    victim.mkdir()
    (shared / "state").symlink_to(victim)
    os.lchown(shared / "state", EVE, EVE)
    assert "another user's link" in refused(at=tmp_path / "s", state=shared / "state")
    assert "another user's link" in refused(at=shared / "state" / "s", state=tmp_path / "state")
    assert list(victim.iterdir()) == []


def test_the_lock_and_the_socket_do_not_follow_links(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("precious")
    (tmp_path / "state").mkdir(mode=0o700)
    (tmp_path / "state" / "lock").symlink_to(precious)
    assert "cannot write in the state directory" in refused(at=tmp_path / "s", state=tmp_path / "state")
    (tmp_path / "s2").symlink_to(precious)
    assert "is no socket" in refused(at=tmp_path / "s2", state=tmp_path / "other")
    assert precious.read_text() == "precious"


def test_the_socket_is_its_owner_s_from_its_first_moment_whatever_the_umask(tmp_path: Path) -> None:
    path = tmp_path / "s"
    modes: set[int] = set()
    done = threading.Event()

    def watch() -> None:
        while not done.is_set():
            try:
                modes.add(stat.S_IMODE(path.stat().st_mode))
            except FileNotFoundError:
                pass

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        for _ in range(REPEATED):
            with served(tmp_path, None, socket=path, before=["sh", "-c", 'umask 0; exec "$@"', "sh"]):
                wait_until(lambda: modes)
    finally:
        done.set()
        watcher.join()
    assert modes == {0o600}


BRIDGE = """
import os, socket, sys, threading
daemon = socket.socket(socket.AF_UNIX)
daemon.connect(sys.argv[1])
first = os.getpid()
if os.fork():
    os._exit(0)
while os.getppid() == first:
    pass
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[2])
listener.listen()
print(first, flush=True)
client, _ = listener.accept()
def pass_on(source, target):
    while data := source.recv(65536):
        target.sendall(data)
threading.Thread(target=pass_on, args=(daemon, client), daemon=True).start()
pass_on(client, daemon)
"""


def next_pid(pid: int) -> bool:
    """Lets the next process have this number, where the kernel lets root say so."""
    try:
        Path("/proc/sys/kernel/ns_last_pid").write_text(str(pid - 1))
    except OSError:
        return False
    return True


def test_a_connection_that_outlived_its_process_records_nobody_whoever_has_its_pid_now(
    tmp_path: Path, tree: Tree
) -> None:
    with served(tmp_path, tree.root) as daemon:
        command = [sys.executable, "-c", BRIDGE, str(daemon.socket), str(tmp_path / "bridge")]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as bridge:
            assert bridge.stdout is not None
            pid = int(bridge.stdout.readline())
            victim = None
            for _ in range(20 if os.geteuid() == 0 and bridge.wait(20) == 0 else 0):
                if not next_pid(pid):
                    break
                victim = subprocess.Popen(["sleep", "60"])
                if victim.pid == pid:
                    break
                victim.kill()
                victim.wait()
            try:
                with Other(tmp_path / "bridge") as client, pytest.raises(RefusedError) as told:
                    client.ask("start")
                assert told.value.code == "INVALID_ARGUMENT"
                assert "the process that connected has ended" in told.value.told and "hint: " in told.value.told
                assert list(daemon.state_dir.glob("*/journal")) == [], "a start that failed leaves nothing"
            finally:
                if victim is not None:
                    victim.kill()
                    victim.wait()


@pytest.mark.parametrize("number", ["-1", "-2147483648", "1048576", "9", "99999999999", "one", "1.5", ""])
def test_a_lifeline_that_makes_no_sense_is_refused_in_words(tmp_path: Path, number: str) -> None:
    told = refused(f"--lifeline-fd={number}", at=tmp_path / "s", state=tmp_path / "state")
    assert "--lifeline-fd" in told
    assert not (tmp_path / "s").exists() and not (tmp_path / "state").exists()


def test_a_lifeline_that_cannot_end_is_refused_in_words(tmp_path: Path) -> None:
    read, write = os.pipe()
    try:
        told = refused(f"--lifeline-fd={write}", at=tmp_path / "s", state=tmp_path / "state", pass_fds=[write])
        assert "cannot be read from" in told
    finally:
        os.close(read)
        os.close(write)


@pytest.mark.parametrize(
    "option",
    ["--period=-4ms", "--period=1e300s", "--period=0ms", "--grace=-1s", "--grace=1e18s", "--keep=-1d", "--keep=infd",
     "--most-recordings=0", "--most-recordings=-1", "--most-per-user=0", "--most-per-user=99999999999999999999"],
)  # fmt: skip
def test_limits_and_times_that_make_no_sense_are_refused_in_words(tmp_path: Path, option: str) -> None:
    assert option.partition("=")[0] in refused(option, at=tmp_path / "s", state=tmp_path / "state")
    assert not (tmp_path / "s").exists()
