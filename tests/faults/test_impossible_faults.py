"""The fault suite, of what cannot be: jumps, power that nothing draws, registers that stand.

Each test is one row of docs/reliability.md. All go through a real daemon over hardware whose truth is known.
"""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from accounted import Account, Daemon, Recorder, becomes, gpus, recorder
from testbed.hardware import Tree

PACKAGE = "intel-rapl:0"
MEMORY = "intel-rapl:0:0"
SECOND = "intel-rapl:1"
# So that no jump leads below 0, nor to what could be a restart there.
INITIAL = ("--initial", "20000000000")
FOR_GOOD = "1000"
GPU = "gpu.watts = constant:250\ngpu.limit_watts = 400\n"
GPU_W = 250


@pytest.fixture
def recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Recorder:
    return recorder(tmp_path, monkeypatch)


def warned(account: Account, words: str) -> bool:
    """Whether one warning, and no more, names the register and says so."""
    told = [warning for warning in account.trace.metadata.warnings if warning.startswith(f"{account.domain} {words}")]
    assert len(told) <= 1
    return len(told) == 1


def counted_j(account: Account) -> float:
    """Joules of all readings, lower bounds included."""
    return sum(stretch.energy_j for stretch in account.stretches)


@pytest.mark.parametrize("by_j", ["702", "20", "-702", "-12"])
def test_a_register_that_jumps_and_comes_back_is_a_gap_at_each_jump(recorded: Recorder, by_j: str) -> None:
    package, memory, tree = recorded(*INITIAL, "--fault", f"jump:{PACKAGE}:2:0.5:{by_j}")
    assert package.flags >= {"impossible"}
    assert len(package.gaps) == 2
    # A machine that is busy reads later, and gaps are as long as the distance of reads.
    assert package.unknown_s < 0.25
    rows = (package.stretches[0].start_ns, package.stretches[-1].end_ns)
    true_j = tree.truth.energy_j(PACKAGE, *(at_ns - package.offset_ns for at_ns in rows))
    assert counted_j(package) <= true_j + 0.5
    assert warned(package, "showed what it cannot draw")
    assert not memory.gaps


@pytest.mark.parametrize(
    "fault", [f"jump:{PACKAGE}:2:0.02:702", f"jump:{PACKAGE}:2:0.02:-702", f"zero:{PACKAGE}:2:0.4"]
)
def test_a_register_that_lies_for_an_instant_or_shows_0_loses_nothing(recorded: Recorder, fault: str) -> None:
    package, _, _ = recorded(*INITIAL, "--fault", fault)
    (gap,) = package.gaps
    assert "impossible" in gap["because"]
    # What was drawn in it is known, if not when.
    assert gap["energy_low_j"] == pytest.approx(100 * (gap["end_ns"] - gap["start_ns"]) * 1e-9, abs=1)


@pytest.mark.parametrize("by_j", ["702", "-702"])
def test_a_register_that_jumps_for_good_is_a_gap_once(recorded: Recorder, by_j: str) -> None:
    package, _, _ = recorded(*INITIAL, "--fault", f"jump:{PACKAGE}:2:{FOR_GOOD}:{by_j}")
    (gap,) = package.gaps
    assert "impossible" in gap["because"]
    assert gap["end_ns"] - gap["start_ns"] < 1.5e8


@pytest.mark.parametrize(
    ("package_w", "options"), [("4900", ()), ("900", ("--max-power", "125000000"))], ids=["any socket", "this socket"]
)
def test_a_register_that_tells_of_more_than_its_socket_can_draw_is_a_gap_throughout(
    recorded: Recorder, package_w: str, options: tuple[str, ...]
) -> None:
    package, memory, tree = recorded("--package", f"constant:{package_w}", *options, held=False)
    # A step that is late by itself, on a busy machine, may look like less.
    seconds = sum(stretch.seconds for stretch in package.stretches)
    assert counted_j(package) < 0.01 * seconds * float(package_w)
    assert package.unknown_s > 0.99 * seconds
    assert warned(package, "showed what it cannot draw")
    memory.hold(tree.truth, MEMORY)


@pytest.mark.parametrize(
    ("domain", "zone", "from_s", "options"),
    [
        ("package-0", PACKAGE, "0", ()),
        ("package-0", PACKAGE, "2", ()),
        ("dram-0", MEMORY, "0", ()),
        ("package-1", SECOND, "0", ("--sockets", "2")),
    ],
    ids=["from the start", "from the middle", "memory", "second socket"],
)
def test_a_register_that_stands_is_a_gap_from_its_last_update(
    recorded: Recorder, domain: str, zone: str, from_s: str, options: tuple[str, ...]
) -> None:
    package, memory, tree = recorded(*options, "--fault", f"freeze:{zone}:{from_s}:{FOR_GOOD}", until_s=4.5, held=False)
    account = Account(package.trace, domain)
    (gap,) = account.gaps
    assert "standing" in gap["because"]
    # It stopped within the last reading in which it moved.
    assert gap["energy_low_j"] < 5
    assert account.stretches[-1].gap
    assert gap["end_ns"] - gap["start_ns"] > 2e9
    assert warned(account, "stood still")
    for other, place in ((package, PACKAGE), (memory, MEMORY)):
        if other.domain != domain:
            assert not other.gaps
            other.hold(tree.truth, place)


def test_a_register_that_stands_for_long_and_goes_on_is_a_gap_meanwhile(recorded: Recorder) -> None:
    package, _, _ = recorded("--fault", f"freeze:{PACKAGE}:1.5:1.5", until_s=4)
    (gap,) = package.gaps
    assert "standing" in gap["because"]
    assert gap["end_ns"] - gap["start_ns"] == pytest.approx(1.5e9, abs=3e8)


def test_a_machine_that_idles_is_not_accused(recorded: Recorder) -> None:
    package, memory, _ = recorded("--package", "constant:0.4", "--dram", "constant:0.05")
    assert not package.gaps
    assert not memory.gaps
    assert not package.trace.metadata.warnings


def during(directory: Path, text: str, seconds: float) -> tuple[tuple[str, ...], object]:
    """A driver, and what makes it be as `text` says for a while."""

    def act(daemon: Daemon, tree: Tree) -> None:
        time.sleep(1.0)
        becomes(directory, GPU + text)
        time.sleep(seconds)
        becomes(directory, GPU + ("gpu.energy = no\n" if "energy = no" in text else ""))

    return gpus(directory, GPU + ("gpu.energy = no\n" if "energy = no" in text else "")), act


@pytest.mark.parametrize("by_mj", ["1500000", "60000", "-1500000"])
def test_a_gpus_counter_that_jumps_is_a_gap_at_each_jump(recorded: Recorder, tmp_path: Path, by_mj: str) -> None:
    daemon, act = during(tmp_path, f"gpu.jump_mj = {by_mj}\n", 0.5)
    package, _, _ = recorded(daemon=daemon, act=act)
    gpu = Account(package.trace, "gpu-0")
    assert len(gpu.gaps) == 2
    assert all("impossible" in gap["because"] for gap in gpu.gaps)
    seconds = sum(stretch.seconds for stretch in gpu.stretches)
    # Two updates of 20 ms lie in gaps, one may be from before; a busy machine reads later.
    assert 0.9 * GPU_W * seconds <= counted_j(gpu) <= GPU_W * (seconds + 0.025)
    assert warned(gpu, "showed what it cannot draw")
    assert not package.gaps


def test_a_gpus_power_that_cannot_be_is_a_failed_read(recorded: Recorder, tmp_path: Path) -> None:
    daemon, act = during(tmp_path, "gpu.energy = no\ngpu.watts = constant:4294967.295\n", 0.3)
    package, _, _ = recorded(daemon=daemon, act=act)
    gpu = Account(package.trace, "gpu-0")
    (gap,) = gpu.gaps
    assert {"failed", "impossible", "integrated", "lost"} <= set(gap["because"])
    known = [stretch for stretch in gpu.stretches if not stretch.gap]
    assert sum(s.energy_j for s in known) == pytest.approx(GPU_W * sum(s.seconds for s in known), rel=1e-3)
    assert warned(gpu, "showed what it cannot draw")


def test_a_gpus_counter_that_stands_is_a_gap_and_one_that_is_looked_at_shortly_is_not(
    recorded: Recorder, tmp_path: Path
) -> None:
    daemon = gpus(tmp_path, "gpu.energy_mj = 5000\n")
    package, _, _ = recorded(daemon=daemon)
    gpu = Account(package.trace, "gpu-0")
    (gap,) = gpu.gaps
    # A busy machine may miss a tick meanwhile.
    assert set(gap["because"]) - {"missed"} == {"standing"}
    assert warned(gpu, "stood still")
