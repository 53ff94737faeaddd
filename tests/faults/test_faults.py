"""The fault suite: whatever a sensor does, what is recorded is right within 0.1 %, or a gap with its bounds.

Each test is one row of docs/reliability.md. All go through a real daemon that reads a moving powercap tree.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

import smaragdine
from accounted import Account, Daemon, Recorder, becomes, busy, gpus, recorder, register_uj, serving
from smaragdine import Trace
from testbed.hardware import Tree, powercap_tree

PACKAGE = "intel-rapl:0"
HOUR_NS = 3_600_000_000_000


@pytest.fixture
def recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Recorder:
    return recorder(tmp_path, monkeypatch)


def test_a_wrap_between_two_readings_loses_nothing(recorded: Recorder) -> None:
    package, _, _ = recorded("--range", "3000000000", "--initial", "2800000000")
    assert "wrap" in package.flags
    assert not package.gaps


def stall_across_a_wrap(daemon: Daemon, tree: Tree) -> None:
    while register_uj(tree, PACKAGE) < 2_970_000_000:
        time.sleep(0.005)
    with daemon.stalled():
        while register_uj(tree, PACKAGE) > 1_000_000_000:
            time.sleep(0.005)


def test_a_wrap_while_the_daemon_is_stalled_loses_nothing(recorded: Recorder) -> None:
    package, _, _ = recorded("--range", "3000000000", "--initial", "2800000000", act=stall_across_a_wrap)
    assert {"wrap", "missed"} <= package.flags
    assert not package.gaps


def stall(seconds: float) -> Callable[[Daemon, Tree], None]:
    def act(daemon: Daemon, tree: Tree) -> None:
        time.sleep(0.5)
        with daemon.stalled():
            time.sleep(seconds)

    return act


def test_a_stall_in_which_the_register_can_have_wrapped_twice_is_a_gap(recorded: Recorder) -> None:
    # 100 W wrap 120 J once in 1.2 s; the longer of two stalls lets it wrap unseen.
    package, memory, _ = recorded("--range", "120000000", act=stall(1.5))
    gap = max(package.gaps, key=lambda gap: gap["end_ns"] - gap["start_ns"])
    assert "ambiguous" in gap["because"]
    assert 1.4e9 < gap["end_ns"] - gap["start_ns"] < 2.5e9
    assert gap["energy_low_j"] < 150 < gap["energy_high_j"]
    # The memory's 15 J did not wrap, but nobody can know.
    assert "ambiguous" in memory.flags


def test_a_sampler_that_is_stalled_for_half_a_second_loses_nothing(recorded: Recorder) -> None:
    package, _, _ = recorded(act=stall(0.5))
    assert "missed" in package.flags
    assert not package.gaps


@pytest.mark.parametrize(
    "fault",
    ["fail:{zone}:2:0.004", "fail:{zone}:2:0.04", "garbage:{zone}:2:0.04", "stall:{zone}:2:0.3"],
    ids=["one", "ten in a row", "garbage", "stalled register"],
)
def test_reads_that_fail_lengthen_one_reading_and_lose_nothing(recorded: Recorder, fault: str) -> None:
    package, memory, _ = recorded("--fault", fault.format(zone=PACKAGE))
    # A single failure lasts one period, and a late tick can step over it.
    assert "failed" in package.flags or fault.startswith("stall") or fault.endswith("0.004")
    assert "failed" not in memory.flags
    assert not package.gaps


def test_a_permission_that_is_lost_and_given_back_loses_nothing(recorded: Recorder) -> None:
    package, memory, _ = recorded("--fault", f"deny:{PACKAGE}:2:0.7", unprivileged=True)
    assert "failed" in package.flags
    assert "failed" not in memory.flags
    assert not package.gaps


def test_a_permission_that_is_lost_for_good_is_a_gap_to_the_end(recorded: Recorder) -> None:
    package, memory, _ = recorded("--fault", f"deny:{PACKAGE}:2:1000", unprivileged=True)
    (gap,) = package.gaps
    assert "lost" in gap["because"]
    assert package.stretches[-1].gap
    assert not memory.gaps


def test_a_zone_that_is_removed_and_comes_back_loses_nothing(recorded: Recorder) -> None:
    package, memory, _ = recorded("--fault", f"vanish:{PACKAGE}:2:0.7")
    for account in (package, memory):
        assert "failed" in account.flags
        assert not account.gaps


def test_a_register_that_a_driver_s_reload_resets_is_a_gap_as_long_as_the_reload(recorded: Recorder) -> None:
    package, memory, _ = recorded("--fault", f"vanish:{PACKAGE}:2:0.5", "--fault", f"reset:{PACKAGE}:2.5")
    (gap,) = package.gaps
    assert "reset" in gap["because"]
    assert gap["end_ns"] - gap["start_ns"] < 1.5e9
    assert not memory.gaps


@pytest.mark.parametrize("hours", [1, -1])
def test_a_wall_clock_that_is_stepped_by_an_hour_moves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    """The client's stamps are all that the daemon sees of the wall clock once a recording runs."""
    real = time.time_ns
    began_ns: list[int] = []
    with (
        powercap_tree(tmp_path / "tree") as tree,
        serving(tmp_path, monkeypatch, tree.root),
        smaragdine.record(tmp_path / "out", require_measured=True) as recording,
    ):
        for step in (0, hours * HOUR_NS):
            monkeypatch.setattr(time, "time_ns", lambda step=step: real() + step)
            began_ns.append(time.monotonic_ns())
            with recording.step():
                start_ns = time.time_ns()
                busy(0.5)
                recording.events([smaragdine.Event("net/dense/MatMul", start_ns, time.time_ns())])
            # Messages wait for each other; a pair of clocks goes with each.
            time.sleep(1)
    monkeypatch.undo()
    trace = Trace.open(tmp_path / "out")
    package = Account(trace, "package-0")
    package.hold(tree.truth, PACKAGE)
    assert not package.gaps
    (change,) = trace.metadata.raw["clock_changes"]
    assert change["step_ns"] == pytest.approx(hours * HOUR_NS, abs=1e8)
    for table in ("events", "steps"):
        starts = trace.sql(f"select start_ns from {table} order by start_ns").fetchall()
        placed = [start_ns - package.offset_ns for (start_ns,) in starts]
        assert placed == pytest.approx(began_ns, abs=1e8), table


# A counter that moves every 20 ms; the waveform begins at 0 of CLOCK_MONOTONIC, and so do the counter's moves.
GPU = "gpu.watts = constant:250\ngpu.refresh_ms = 20\n"
GPU_W = 250
REFRESH_NS = 20_000_000


def hold_gpu(account: Account, slack_updates: int = 0) -> None:
    """Holds what is known against the counter's own updates; the edges of a reading are known to ±5 ms.

    The first value was up to one update old when it was first read.
    """

    def update(at_ns: int) -> int:
        return round((at_ns - account.offset_ns) / REFRESH_NS) * REFRESH_NS

    known = [stretch for stretch in account.stretches if not stretch.gap]
    true_j = sum(GPU_W * (update(stretch.end_ns) - update(stretch.start_ns)) * 1e-9 for stretch in known)
    error_j = sum(stretch.energy_j for stretch in known) - true_j
    print(f"{account.domain}: {error_j:+.3f} J of {true_j:.1f} J, gaps of {account.unknown_s:.3f} s")
    assert abs(error_j) <= 1e-3 * true_j + (1 + slack_updates) * GPU_W * REFRESH_NS * 1e-9


def gpu_after(recorded: Recorder, tmp_path: Path, during: str, seconds: float) -> tuple[Account, Account]:
    """The accounts of GPU and package; for so long the driver is as `during` says."""

    def act(daemon: Daemon, tree: Tree) -> None:
        time.sleep(1.0)
        becomes(tmp_path, GPU + during)
        time.sleep(seconds)
        becomes(tmp_path, GPU)

    package, _, _ = recorded(daemon=gpus(tmp_path, GPU), act=act)
    return Account(package.trace, "gpu-0"), package


def test_a_gpu_that_is_lost_and_comes_back_loses_nothing(recorded: Recorder, tmp_path: Path) -> None:
    gpu, package = gpu_after(recorded, tmp_path, "gpu.lost = yes\n", 0.5)
    assert "failed" in gpu.flags
    assert not gpu.gaps
    assert not package.gaps
    hold_gpu(gpu)


def test_a_gpu_that_is_lost_for_good_is_a_gap_to_the_end(recorded: Recorder, tmp_path: Path) -> None:
    def act(daemon: Daemon, tree: Tree) -> None:
        time.sleep(1.0)
        becomes(tmp_path, GPU + "gpu.lost = yes\n")

    package, _, _ = recorded(daemon=gpus(tmp_path, GPU), act=act)
    gpu = Account(package.trace, "gpu-0")
    (gap,) = gpu.gaps
    assert "lost" in gap["because"]
    assert gap["energy_low_j"] == 0
    assert gap["energy_high_j"] > GPU_W * (gap["end_ns"] - gap["start_ns"]) * 1e-9
    hold_gpu(gpu)
    assert not package.gaps


def test_a_driver_that_answers_slowly_delays_no_other_source(recorded: Recorder, tmp_path: Path) -> None:
    gpu, package = gpu_after(recorded, tmp_path, "gpu.slow_ms = 500\n", 0.6)
    assert "missed" in gpu.flags
    assert not gpu.gaps
    # The last answer was half a second on its way, and it is not known when the driver looked.
    hold_gpu(gpu, slack_updates=25)
    assert not package.gaps


def test_power_that_could_not_be_read_is_a_gap_and_not_a_guess(recorded: Recorder, tmp_path: Path) -> None:
    def act(daemon: Daemon, tree: Tree) -> None:
        time.sleep(1.0)
        becomes(tmp_path, GPU + "gpu.energy = no\ngpu.lost = yes\n")
        time.sleep(0.5)
        becomes(tmp_path, GPU + "gpu.energy = no\n")

    package, _, _ = recorded(daemon=gpus(tmp_path, GPU + "gpu.energy = no\n"), act=act)
    gpu = Account(package.trace, "gpu-0")
    (gap,) = gpu.gaps
    assert {"lost", "integrated"} <= set(gap["because"])
    known = [stretch for stretch in gpu.stretches if not stretch.gap]
    assert sum(s.energy_j for s in known) == pytest.approx(GPU_W * sum(s.seconds for s in known), rel=1e-3)


def test_power_that_the_driver_buffered_while_the_daemon_was_stalled_is_not_lost(
    recorded: Recorder, tmp_path: Path
) -> None:
    # A GPU of Pascal; its samples are the means of 20 ms, on multiples of 20 ms.
    low_w, high_w, period_s, sample_s = 50, 250, 0.3, 0.02
    spec = "gpu.energy = no\ngpu.architecture = 4\ngpu.samples_ms = 20\n"
    spec += f"gpu.watts = square:{low_w}:{high_w}:{period_s}\n"
    package, _, _ = recorded(daemon=gpus(tmp_path, spec), act=stall(1.0))
    gpu = Account(package.trace, "gpu-0")
    assert {"integrated", "missed"} <= gpu.flags
    assert not gpu.gaps
    (stretch,) = gpu.stretches
    assert stretch.seconds > 2

    def drawn_j(until_ns: int) -> float:
        periods, rest_s = divmod((until_ns - gpu.offset_ns) * 1e-9, period_s)
        return low_w * (periods * period_s + rest_s) + (high_w - low_w) * (
            periods * period_s / 2 + min(rest_s, period_s / 2)
        )

    true_j = drawn_j(stretch.end_ns) - drawn_j(stretch.start_ns)
    assert abs(stretch.energy_j - true_j) <= 1e-3 * true_j + (high_w - low_w) * sample_s


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        ("gpu.energy = no\ngpu.instant = no\n", "neither its energy nor its power"),
        ("init = 9\n", "driver is not loaded"),
        (None, "cannot use"),
    ],
    ids=["N/A", "no driver", "unloadable"],
)
def test_gpus_that_cannot_be_metered_are_told_and_cost_nothing_else(
    recorded: Recorder, tmp_path: Path, spec: str | None, problem: str
) -> None:
    from smaragdine.daemon.client import Client

    told: list[str] = []

    def ask(daemon: Daemon, tree: Tree) -> None:
        client = Client(tmp_path / "s")
        (nvml,) = (source for source in client.describe().sources if source.name == "nvml")
        client.close()
        assert not nvml.available
        told.append(nvml.problem or "")

    options = gpus(tmp_path, spec or "")
    if spec is None:
        (tmp_path / "libnvidia-ml.so.1").write_text("no library")
    package, _, _ = recorded(daemon=options, act=ask)
    assert problem in told[0]
    assert not package.gaps
    domains = {row[0] for row in package.trace.sql("select distinct domain from readings").fetchall()}
    assert domains == {"package-0", "dram-0"}


def test_a_register_that_cannot_be_read_at_first_is_a_gap_until_it_can(recorded: Recorder) -> None:
    package, _, _ = recorded("--fault", f"garbage:{PACKAGE}:0:2")
    (gap,) = package.gaps
    assert "lost" in gap["because"]
    assert package.stretches[0].gap
    assert isinstance(package.trace, Trace)
