"""Whose the energy is, as the daemon sees it: recordings side by side, and programs that it cannot see."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from served import Other, Recorded, needs_root, served, wait_until
from testbed.hardware import Tree

DAEMON_UID = 61_010
# Times in /proc advance by ticks of this length.
TICK_S = 1 / os.sysconf("SC_CLK_TCK")


def fetched(client: Other, recording: str, to: Path) -> Recorded:
    to.mkdir()
    client.ask("fetch", recording=recording, to=str(to))
    return Recorded(to)


def worked(client: Other, to: Path) -> Recorded:
    """Records a client that works for a second."""
    recording = client.ask("start", keep_all=True)["recording"]
    client.ask("work", seconds=1)
    client.ask("stop", recording=recording)
    return fetched(client, recording, to)


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
        trace = worked(client, tmp_path / "out")
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
        trace = worked(client, tmp_path / "out")
    assert unknown(trace)
    assert any("is not visible to the daemon" in warning for warning in trace.metadata["warnings"])
    assert trace.energy_error(tree) <= 0.001
    assert trace.ledger_error() <= 1e-9


def laid_over(directory: Path) -> Path:
    """A /proc/stat as a container's: its own time, which stands here, and nothing of its neighbours'."""
    stat = directory / "stat"
    stat.write_text("".join(f"cpu{cpu} 100 0 0 1000 0 0 0 0 0 0\n" for cpu in range(os.cpu_count() or 1)))
    return stat


@needs_root
def test_a_proc_stat_that_is_a_mount_of_its_own_leaves_the_share_unknown_and_says_so(
    tmp_path: Path, tree: Tree
) -> None:
    mount = f'mount --bind "{laid_over(tmp_path)}" /proc/stat && exec "$@"'
    container = ("unshare", "--mount", "sh", "-c", mount, "sh")
    with served(tmp_path, tree.root, before=container) as daemon, Other(daemon.socket) as client:
        trace = worked(client, tmp_path / "out")
    assert unknown(trace)
    assert any("/proc/stat is a mount of its own" in warning for warning in trace.metadata["warnings"])
    (all_gap,) = trace.sql("select bool_and(energy_j = 0 or entry = 'gap') from {ledger}")
    assert all_gap == (True,)
    assert trace.ledger_error() <= 1e-9


@needs_root
def test_a_mount_over_proc_stat_is_noticed_while_it_lasts(tmp_path: Path, tree: Tree) -> None:
    stat = laid_over(tmp_path)
    own = ("unshare", "--mount")
    with served(tmp_path, tree.root, before=own) as daemon, Other(daemon.socket) as client:
        inside = ["nsenter", "--mount", f"--target={daemon.process.pid}"]
        recording = client.ask("start", keep_all=True)["recording"]
        at_work = [client.ask("work", seconds=1)]
        subprocess.run([*inside, "mount", "--bind", str(stat), "/proc/stat"], check=True)
        at_work += [client.ask("work", seconds=1)]
        subprocess.run([*inside, "umount", "/proc/stat"], check=True)
        at_work += [client.ask("work", seconds=1)]
        client.ask("stop", recording=recording)
        trace = fetched(client, recording, tmp_path / "out")
    margin_ns = 450_000_000
    stretches = [(one["from_ns"] + margin_ns, one["to_ns"] - margin_ns) for one in at_work]
    known = []
    for from_ns, to_ns in stretches:
        offset_ns = trace.metadata["realtime_offset_ns"]
        ((some, rows),) = trace.sql(
            "select count(app_share), count(*) from {readings} where domain = 'package-0'"
            f" and start_ns >= {from_ns + offset_ns} and end_ns <= {to_ns + offset_ns}"
        )
        assert rows > 0
        known.append(some == rows if some else False)
    assert known == [True, False, True]
    assert any("/proc/stat is a mount of its own" in warning for warning in trace.metadata["warnings"])


@needs_root
def test_modelled_power_of_a_container_s_own_time_is_shared_and_told(tmp_path: Path) -> None:
    """What is modelled from that file is of what it shows."""
    stat = tmp_path / "stat"
    stat.write_bytes(Path("/proc/stat").read_bytes())
    mount = f'mount --bind "{stat}" /proc/stat && exec "$@"'
    container = ("unshare", "--mount", "sh", "-c", mount, "sh")
    with served(tmp_path, None, before=container) as daemon, Other(daemon.socket) as client:
        recording = client.ask("start", keep_all=True)["recording"]
        for _ in range(20):
            client.ask("work", seconds=0.1)
            now = Path("/proc/stat").read_text()
            with stat.open("r+") as file:
                file.write(now)
                file.truncate()
        client.ask("stop", recording=recording)
        trace = fetched(client, recording, tmp_path / "out")
    assert {domain["basis"] for domain in trace.metadata["domains"]} == {"modelled"}
    ((known, rows),) = trace.sql("select count(app_share), count(*) from {readings}")
    assert known > rows / 2
    assert any("power is modelled from the CPU time that it shows" in one for one in trace.metadata["warnings"])
