"""Meters that Linux shows as hardware monitors: which are counted, and whose socket's share is theirs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from test_sockets import application_share

import chips
import smaragdine
from accounted import busy, serving
from smaragdine import Trace
from testbed.hardware import proc_tree

OWN, STRANGER = f"{os.getpid()}:1:0.5,0.25", "999999999:1:1,1"
# The truth of those two, by socket.
SHARES = (0.5 / 1.5, 0.25 / 1.25)
GRACE = "hwmon-power_meter-grace-power-socket-"


class Entered:
    """A domain of a trace, as `application_share` takes it."""

    def __init__(self, trace: Trace, domain: str) -> None:
        self.trace = trace
        self.domain = domain


def record(output: Path, seconds: float = 2.5) -> Trace:
    with smaragdine.record(output):
        busy(seconds)
    return Trace.open(output)


def unknown(trace: Trace, domain: str) -> float:
    """The fraction of a domain's energy whose share is not known."""
    query = f"select sum(energy_j) filter (app_share is null), sum(energy_j) from readings where domain = '{domain}'"
    ((without_j, all_j),) = trace.sql(query).fetchall()
    return float((without_j or 0.0) / all_j)


def test_two_graces_are_shared_by_the_cpus_that_the_kernel_puts_into_their_sockets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sockets 36 and 2364, meters 0 and 1, a cpuinfo without sockets, and files one level deeper."""
    meters = {
        f"{kind} Power Socket {n}": w for n in (0, 1) for kind, w in (("Module", 400), ("Grace", 150), ("CPU", 70))
    }
    sys_root = chips.sockets(tmp_path / "sys", [36, 36, 2364, 2364])
    options = ("--hwmon-root", str(chips.grace(tmp_path, meters)), "--sys-root", str(sys_root))
    with proc_tree(tmp_path / "proc", "--process", OWN, "--process", STRANGER) as proc:
        chips.arm(proc, 4)
        with serving(tmp_path, monkeypatch, tmp_path / "none", "--proc-root", str(proc), *options):
            trace = record(tmp_path / "out")
    domains = {domain.name: domain for domain in trace.metadata.domains}
    assert [domain.name for domain in trace.metadata.counted] == [f"{GRACE}0", f"{GRACE}1"]
    assert len(domains) == 6
    assert domains["hwmon-power_meter-cpu-power-socket-1"].not_counted_because == f"{GRACE}1 holds its energy"
    assert [domains[f"{GRACE}{n}"].scope for n in (0, 1)] == ["socket:36", "socket:2364"]
    for number, share in enumerate(SHARES):
        entered = Entered(trace, f"{GRACE}{number}")
        # In 2.5 s a quarter of a CPU is some 62 ticks, and one at each end may be on either side.
        assert application_share(entered) == pytest.approx(share, rel=0.03)  # type: ignore[arg-type]
    assert "topology" in (trace.metadata.share_source or "")
    assert not of_registers(trace)


def of_registers(trace: Trace) -> list[str]:
    """What was warned of, but for metrics, of whose files the made-up /proc has few."""
    return [warning for warning in trace.metadata.warnings if not warning.startswith("metric")]


@pytest.mark.parametrize(
    ("packages", "known"),
    [([], [False, False]), ([0, 0, 0, 0], [True, False]), ([2364, 2364, 2364, 2364, None], [False, False])],
    ids=["no topology", "one socket", "a socket offline"],
)
def test_a_socket_that_nothing_tells_has_an_unknown_share_and_a_reason(
    packages: list[int | None], known: list[bool], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hwmon = chips.grace(tmp_path, {"Grace Power Socket 0": 150, "Grace Power Socket 1": 90})
    (tmp_path / "sys").mkdir()
    options = ("--hwmon-root", str(hwmon), "--sys-root", str(chips.sockets(tmp_path / "sys", packages)))
    with proc_tree(tmp_path / "proc", "--process", OWN, "--process", STRANGER) as proc:
        chips.arm(proc, 4)
        with serving(tmp_path, monkeypatch, tmp_path / "none", "--proc-root", str(proc), *options):
            trace = record(tmp_path / "out", 1.5)
    assert [unknown(trace, f"{GRACE}{number}") < 0.5 for number in (0, 1)] == known
    for number in (0, 1):
        ledger = trace.ledger().domain(f"{GRACE}{number}")
        assert (ledger["gap"] == pytest.approx(sum(ledger.values()))) is not known[number]
    (told,) = of_registers(trace)
    assert "unknown" in told
    assert "which CPU is in which socket" in told if not packages else f"{GRACE}1" in told


def test_the_sockets_of_two_amd_drivers_are_counted_once_with_all_their_energy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hwmon = chips.write(
        tmp_path / "hwmon",
        {
            "hwmon2/name": "amd_hsmp_hwmon", "hwmon2/power1_input": 55_000_000,
            "hwmon10/name": "zenergy", "hwmon10/energy1_label": "Ecore000", "hwmon10/energy12_label": "Esocket0",
        },
    )  # fmt: skip
    sys_root = chips.sockets(tmp_path / "sys", [0] * (os.cpu_count() or 1))
    registers = {
        hwmon / "hwmon10/energy1_input": lambda seconds: 4 * seconds,
        hwmon / "hwmon10/energy12_input": lambda seconds: 7000 + 55 * seconds,
    }
    options = ("--hwmon-root", str(hwmon), "--sys-root", str(sys_root))
    with chips.moving(registers), serving(tmp_path, monkeypatch, tmp_path / "none", *options):
        trace = record(tmp_path / "out")
    assert [domain.name for domain in trace.metadata.counted] == ["hwmon-zenergy-esocket0"]
    assert len(trace.metadata.domains) == 3
    assert trace.notice is None
    readings = trace.readings["hwmon-zenergy-esocket0"]
    seconds = (readings.end_ns[-1] - readings.start_ns[0]) * 1e-9
    # A thread moves the register: at each end of 2.5 s it may be late by a turn of the other threads, some 10 ms.
    assert readings.total_j / seconds == pytest.approx(55, rel=0.01)
