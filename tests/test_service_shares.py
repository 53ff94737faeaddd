"""Whose the energy is, as the daemon sees it: recordings side by side, and programs that it cannot see."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hardware import Tree
from served import Other, Recorded, needs_root, served, wait_until

DAEMON_UID = 61_010
# Times in /proc advance by ticks of this length.
TICK_S = 1 / os.sysconf("SC_CLK_TCK")


def fetched(client: Other, recording: str, to: Path) -> Recorded:
    to.mkdir()
    client.ask("fetch", recording=recording, to=str(to))
    return Recorded(to)


def shared(trace: Recorded, from_ns: int, to_ns: int) -> float:
    """The application's fraction of the package's energy between two instants of CLOCK_MONOTONIC."""
    offset_ns = trace.metadata["realtime_offset_ns"]
    ((share,),) = trace.sql(
        "select sum(energy_j * app_share) / sum(energy_j) from {readings} where domain = 'package-0'"
        f" and start_ns >= {from_ns + offset_ns} and end_ns <= {to_ns + offset_ns}"
    )
    return float(share)


def unknown(trace: Recorded) -> bool:
    """Whether no reading claims to know the application's share."""
    ((known,),) = trace.sql("select count(app_share) from {readings}")
    return bool(known == 0)


def test_shares_of_two_recordings_at_once_never_exceed_the_whole(tmp_path: Path, tree: Tree) -> None:
    with served(tmp_path, tree.root) as daemon, Other(daemon.socket) as first, Other(daemon.socket) as second:
        recordings = [one.ask("start", keep_all=True)["recording"] for one in (first, second)]
        # Both at once: the answers are read afterwards.
        for one in (first, second):
            one.tell("work", seconds=4)
        stretches = [one.answer() for one in (first, second)]
        traces = []
        for number, (one, recording) in enumerate(zip((first, second), recordings, strict=True)):
            one.ask("stop", recording=recording)
            traces.append(fetched(one, recording, tmp_path / f"out-{number}"))
    # Inside both, a share sample away from where they start and end.
    from_ns = max(stretch["from_ns"] for stretch in stretches) + 500_000_000
    to_ns = min(stretch["to_ns"] for stretch in stretches) - 500_000_000
    shares = [shared(trace, from_ns, to_ns) for trace in traces]
    # Each is rounded to a tick at both ends of the stretch, in which a CPU or more was busy.
    assert min(shares) > 0.02
    assert sum(shares) <= 1 + 4 * TICK_S / ((to_ns - from_ns) * 1e-9)
    for trace in traces:
        assert trace.ledger_error() <= 1e-9


@needs_root
def test_a_program_in_a_pid_namespace_of_its_own_has_its_share(tmp_path: Path, tree: Tree) -> None:
    """A container, seen from a daemon on the host."""
    container = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")
    with served(tmp_path, tree.root) as daemon, Other(daemon.socket, before=container) as client:
        recording = client.ask("start", keep_all=True)["recording"]
        stretch = client.ask("work", seconds=2)
        client.ask("stop", recording=recording)
        trace = fetched(client, recording, tmp_path / "out")
    share = shared(trace, stretch["from_ns"] + 300_000_000, stretch["to_ns"] - 300_000_000)
    assert 0.02 < share <= 1 + TICK_S
    assert not any("unknown" in warning for warning in trace.metadata["warnings"])


@needs_root
@pytest.mark.parametrize("proc", ["--mount-proc", "--mount"])
def test_a_program_outside_the_daemons_pid_namespace_has_an_unknown_share(
    proc: str, tmp_path: Path, tree: Tree
) -> None:
    """A daemon in a container, with a /proc of its own or the host's, whose pids are other processes' there."""
    container = ("unshare", "--pid", "--fork", "--kill-child", proc)
    with (
        served(tmp_path, tree.root, before=container) as daemon,
        Other(daemon.socket) as client,
        Other(daemon.socket) as other,
    ):
        recording = client.ask("start", keep_all=True)["recording"]
        client.ask("work", seconds=1)
        client.ask("stop", recording=recording)
        trace = fetched(client, recording, tmp_path / "out")
        assert unknown(trace)
        assert any("pid namespace" in warning for warning in trace.metadata["warnings"])
        assert trace.energy_error(tree) <= 0.001
        assert trace.ledger_error() <= 1e-9
        # The daemon cannot see that process end; its connection is what it has.
        client.ask("start")
        assert other.ask("describe") == 1
        client.kill()
        wait_until(lambda: other.ask("describe") == 0)


@needs_root
def test_a_program_that_hidepid_hides_from_the_daemon_has_an_unknown_share(tmp_path: Path, tree: Tree) -> None:
    for directory in [tmp_path, *tmp_path.parents[:-1]]:
        directory.chmod(directory.stat().st_mode | 0o011)
    home = tmp_path / "daemon"
    home.mkdir()
    os.chown(home, DAEMON_UID, DAEMON_UID)
    user = f"--reuid={DAEMON_UID} --regid={DAEMON_UID} --clear-groups"
    become = f'mount -t proc -o hidepid=2 proc /proc && exec setpriv {user} "$@"'
    hidden = ("unshare", "--mount", "sh", "-c", become, "sh")
    with served(home, tree.root, before=hidden) as daemon, Other(daemon.socket) as client:
        recording = client.ask("start", keep_all=True)["recording"]
        client.ask("work", seconds=1)
        client.ask("stop", recording=recording)
        trace = fetched(client, recording, tmp_path / "out")
    assert unknown(trace)
    assert any("is not visible to the daemon" in warning for warning in trace.metadata["warnings"])
    assert trace.energy_error(tree) <= 0.001
    assert trace.ledger_error() <= 1e-9
