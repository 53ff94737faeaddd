"""The daemon as a service of several users: who may do what, how much, and what outlives it."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from served import Other, Recorded, RefusedError, needs_root, served, wait_until
from testbed.hardware import Tree

ALICE, BOB, EVE, WARD = 61_001, 61_002, 61_003, 61_004
USERS, OBSERVERS = 62_001, 62_002


@needs_root
def test_users_see_watch_and_stop_only_their_own_recordings(open_to_all: Path, tree: Tree) -> None:
    with (
        served(open_to_all, tree.root, "--group", str(USERS)) as daemon,
        Other(daemon.socket, uid=ALICE, groups=[USERS]) as alice,
        Other(daemon.socket, uid=BOB, groups=[5, USERS]) as bob,
        Other(daemon.socket) as root,
    ):
        assert daemon.socket.stat().st_mode & 0o777 == 0o660
        assert daemon.socket.stat().st_gid == USERS
        mine = alice.ask("start")["recording"]
        assert [one.ask("describe") for one in (alice, bob, root)] == [1, 0, 1]
        for call in ("watch", "pause", "hold", "stop", "fetch", "release"):
            with pytest.raises(RefusedError, match=f"there is no recording {mine}") as refused:
                bob.ask(call, recording=mine)
            assert refused.value.code == "NOT_FOUND"
        with pytest.raises(RefusedError, match="there is no recording"):
            bob.ask("note", recording=mine, texts=["not mine"])
        with pytest.raises(RefusedError, match="did not say that it can pause"):
            alice.ask("pause", recording=mine)
        assert alice.ask("hold", recording=mine) is False
        assert alice.ask("watch", recording=mine).keys() == {"package-0", "dram-0"}
        assert root.ask("watch", recording=mine).keys() == {"package-0", "dram-0"}
        alice.ask("stop", recording=mine)
        assert alice.ask("fetch", recording=mine) > 0
        alice.ask("release", recording=mine)
        with pytest.raises(RefusedError, match="there is no recording"):
            alice.ask("fetch", recording=mine)


@needs_root
def test_only_root_and_observers_read_the_power_of_others(open_to_all: Path, tree: Tree) -> None:
    options = ("--group", str(USERS), "--observers", str(OBSERVERS))
    with (
        served(open_to_all, tree.root, *options) as daemon,
        Other(daemon.socket, uid=ALICE, groups=[USERS]) as alice,
        Other(daemon.socket, uid=WARD, groups=[USERS, OBSERVERS]) as ward,
    ):
        hers = alice.ask("start")["recording"]
        assert ward.ask("watch", recording=hers)["package-0"] > 0
        for call in ("pause", "hold", "stop", "release"):
            with pytest.raises(RefusedError, match="there is no recording"):
                ward.ask(call, recording=hers)
        alice.ask("stop", recording=hers)
        assert ward.ask("fetch", recording=hers) > 0
        with pytest.raises(RefusedError, match="there is no recording"):
            ward.ask("fetch", recording=hers, release=True)


@needs_root
def test_a_stranger_is_refused_even_where_the_socket_was_opened_to_all(open_to_all: Path, tree: Tree) -> None:
    with served(open_to_all, tree.root) as daemon:
        with Other(daemon.socket, uid=EVE) as eve, pytest.raises(RefusedError) as refused:
            eve.ask("describe")
        assert refused.value.code == "UNAVAILABLE", "the socket is its owner's alone"
        daemon.socket.chmod(0o666)
        with Other(daemon.socket, uid=EVE) as eve:
            for call in ("describe", "start"):
                with pytest.raises(RefusedError, match=f"user {EVE} may not use this daemon\nhint: ") as refused:
                    eve.ask(call)
                assert refused.value.code == "PERMISSION_DENIED"


def test_recordings_have_a_limit_for_each_user_and_in_all(tmp_path: Path, tree: Tree) -> None:
    for option in ("--most-per-user", "--most-recordings"):
        with (
            served(tmp_path, tree.root, option, "2", state_dir=tmp_path / option) as daemon,
            Other(daemon.socket) as client,
        ):
            first, _ = (client.ask("start")["recording"] for _ in range(2))
            with pytest.raises(RefusedError, match=f"which is the most .*{option}") as refused:
                client.ask("start")
            assert refused.value.code == "RESOURCE_EXHAUSTED"
            assert len(list(daemon.state_dir.glob("*/journal"))) == 2
            client.ask("stop", recording=first)
            client.ask("start")


@needs_root
def test_what_a_killed_service_forgot_is_its_owners_again_after_the_restart(open_to_all: Path, tree: Tree) -> None:
    options = ("--group", str(USERS))
    with Other(open_to_all / "s", uid=ALICE, groups=[USERS]) as alice:
        with served(open_to_all, tree.root, *options) as daemon:
            cut = alice.ask("start")["recording"]
            whole = alice.ask("start")["recording"]
            alice.ask("note", recording=cut, texts=["before the kill"])
            alice.ask("stop", recording=whole)
            alice.ask("work", seconds=3)
        with served(open_to_all, tree.root, *options) as daemon, Other(daemon.socket, uid=BOB, groups=[USERS]) as bob:
            assert bob.ask("describe") == 0
            with pytest.raises(RefusedError, match="there is no recording"):
                bob.ask("fetch", recording=cut)
            traces = {}
            for recording, state in ((cut, "cut"), (whole, "complete")):
                wait_until(lambda: _answers(alice))
                alice.ask("stop", recording=recording)
                to = open_to_all / state
                to.mkdir()
                to.chmod(0o777)
                alice.ask("fetch", recording=recording, to=str(to))
                alice.ask("release", recording=recording)
                traces[state] = Recorded(to)
            assert [trace.metadata["state"] for trace in traces.values()] == ["cut", "complete"]
            assert traces["cut"].metadata["log"] == ["before the kill"]
            assert traces["cut"].energy_error(tree) <= 0.001
            assert list(daemon.state_dir.glob("*/journal")) == []


def _answers(client: Other) -> bool:
    try:
        client.ask("describe")
    except RefusedError:
        return False
    return True


def test_recordings_that_nobody_fetched_are_kept_for_a_time_and_no_longer(tmp_path: Path, tree: Tree) -> None:
    with served(tmp_path, tree.root) as daemon, Other(daemon.socket) as client:
        client.ask("stop", recording=client.ask("start")["recording"])
    (journal,) = daemon.state_dir.glob("*/journal")
    with served(tmp_path, tree.root, "--keep", "1h"):
        assert journal.exists()
    os.utime(journal, (0, 0))
    with served(tmp_path, tree.root, "--keep", "1h"):
        wait_until(lambda: not journal.exists())


def test_a_daemon_that_was_told_to_leave_waits_for_its_clients_and_takes_no_new_ones(
    tmp_path: Path, tree: Tree
) -> None:
    with served(tmp_path, tree.root, "--grace", "30s") as daemon, Other(daemon.socket) as client:
        recording = client.ask("start")["recording"]
        daemon.process.send_signal(signal.SIGTERM)
        wait_until(lambda: _told_to_leave(client))
        # As a training that got the signal, too: it still has something to say, then stops and fetches.
        assert client.ask("note", recording=recording, texts=["the last window"]) == [[1, 0, ""]]
        client.ask("stop", recording=recording)
        (tmp_path / "out").mkdir()
        client.ask("fetch", recording=recording, to=str(tmp_path / "out"))
        client.ask("release", recording=recording)
        assert daemon.process.wait(20) == 0
        trace = Recorded(tmp_path / "out")
        assert (trace.metadata["state"], trace.metadata["log"]) == ("complete", ["the last window"])
        assert not daemon.socket.exists()


def _told_to_leave(client: Other) -> bool:
    try:
        started = client.ask("start")["recording"]
    except RefusedError as refused:
        return "is leaving" in refused.told
    for call in ("stop", "release"):
        client.ask(call, recording=started)
    return False
