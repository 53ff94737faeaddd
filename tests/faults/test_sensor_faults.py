"""The fault suite of sensors beside powercap and NVML: right within 0.1 %, or a gap with its bounds.

Each test is one row of docs/reliability.md. All go through a real daemon that reads what `fake-sensors` moves.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from accounted import Account, record, serving
from smaragdine import Trace
from smaragdine.cli import main
from smaragdine.trace.grace import memories
from testbed.hardware import Truth, powercap_tree, sensor_tree

Recorder = Callable[..., tuple[Trace, Truth]]


@pytest.fixture
def recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Recorder:
    """Records with these sensors until they are so old; `powercap` are options of a tree beside them."""

    def go(*options: str, until_s: float = 3.5, powercap: tuple[str, ...] | None = None) -> tuple[Trace, Truth]:
        directory = tmp_path / "tree"
        roots = (
            *("--drm-root", str(directory / "class" / "drm")),
            *("--perf-root", str(directory / "bus" / "event_source" / "devices")),
            *("--perf-counters", str(directory / "counters")),
            *("--hwmon-root", str(directory / "class" / "hwmon")),
            *("--cray-root", str(directory / "cray" / "pm_counters")),
        )
        zones = tmp_path / "zones"
        with sensor_tree(directory, *options) as tree:
            if powercap is None:
                with serving(tmp_path, monkeypatch, zones, *roots):
                    trace = record(tmp_path / "out", tree, until_s)
            else:
                with (
                    powercap_tree(zones, *powercap) as _,
                    serving(tmp_path, monkeypatch, zones / "class" / "powercap", *roots),
                ):
                    trace = record(tmp_path / "out", tree, until_s)
            assert trace.metadata.raw["state"] == "complete"
            return trace, tree.truth

    return go


FAULTS = {
    "reads that fail": "fail:{register}:2:0.1",
    "garbage": "garbage:{register}:2:0.1",
    "stalled register": "stall:{register}:2:0.3",
}
GPUS = {"amd": "--amd", "intel": "--intel"}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
@pytest.mark.parametrize("option", GPUS.values(), ids=GPUS)
def test_gpus_of_amd_and_intel_lose_nothing_to_reads_that_fail(recorded: Recorder, option: str, fault: str) -> None:
    trace, truth = recorded(option, "constant:300", "--fault", fault.format(register="card0"))
    gpu = Account(trace, "gpu-0")
    gpu.hold(truth, "card0")


@pytest.mark.parametrize("option", GPUS.values(), ids=GPUS)
def test_gpus_of_amd_and_intel_whose_counter_starts_again_leave_a_gap(recorded: Recorder, option: str) -> None:
    trace, truth = recorded(option, "constant:300", "--fault", "reset:card0:2")
    gpu = Account(trace, "gpu-0")
    gpu.hold(truth, "card0")
    assert "reset" in gpu.flags
    assert 0 < gpu.unknown_s < 0.1


def test_a_gpu_whose_counter_jumps_leaves_a_gap_and_counts_nothing_of_it(recorded: Recorder) -> None:
    trace, truth = recorded("--amd", "constant:300", "--fault", "jump:card0:2:0.5:100000")
    gpu = Account(trace, "gpu-0")
    gpu.hold(truth, "card0")
    assert "impossible" in gpu.flags


def test_a_gpu_that_amd_counts_in_another_unit_is_measured_by_its_power(recorded: Recorder) -> None:
    trace, _ = recorded("--amd", "constant:300@factor=0.01")
    gpu = Account(trace, "gpu-0")
    assert "integrated" in gpu.flags
    seconds = sum(stretch.seconds for stretch in gpu.stretches)
    assert sum(stretch.energy_j for stretch in gpu.stretches) == pytest.approx(300 * seconds, rel=1e-3)
    assert any("not the documented one" in warning for warning in trace.metadata.raw["warnings"])


def test_who_uses_a_gpu_of_amd_is_not_known_and_said_so(recorded: Recorder) -> None:
    trace, _ = recorded("--amd", "constant:300", until_s=2)
    warnings = trace.metadata.raw["warnings"]
    assert any(warning.startswith("the share of gpu-0 is unknown") for warning in warnings)
    query = "select entry from ledger where domain = 'gpu-0' and energy_j > 0"
    assert trace.sql(query).fetchall() == [("gap",)]


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_perf_loses_nothing_to_reads_that_fail(recorded: Recorder, fault: str) -> None:
    options = ("--perf", "constant:100,constant:10", "--fault", fault.format(register="energy-pkg-0"))
    trace, truth = recorded(*options)
    for domain, register in (("package-0", "energy-pkg-0"), ("dram-0", "energy-ram-0")):
        Account(trace, domain).hold(truth, register)
    assert [domain["source"] for domain in trace.metadata.raw["domains"]] == ["perf", "perf"]


def test_a_perf_event_that_starts_again_leaves_a_gap(recorded: Recorder) -> None:
    trace, truth = recorded("--perf", "constant:100", "--fault", "reset:energy-pkg-0:2")
    package = Account(trace, "package-0")
    package.hold(truth, "energy-pkg-0")
    assert "reset" in package.flags


def test_one_register_that_perf_and_powercap_read_is_counted_once_and_agrees(recorded: Recorder) -> None:
    trace, _ = recorded("--perf", "constant:100,constant:10", powercap=(), until_s=5)
    counted = {domain["name"]: domain["source"] for domain in trace.metadata.raw["domains"] if domain["counted"]}
    assert counted == {"package-0": "powercap", "dram-0": "powercap"}
    assert not any("one of them is wrong" in warning for warning in trace.metadata.raw["warnings"])


def test_two_sources_of_one_register_that_disagree_are_told(recorded: Recorder) -> None:
    trace, _ = recorded("--perf", "constant:150,constant:10", powercap=(), until_s=5)
    told = [warning for warning in trace.metadata.raw["warnings"] if "one of them is wrong" in warning]
    assert len(told) == 1
    assert told[0].startswith("package-0 is one register, of which powercap tells ")


CRAY = ("--cray", "constant:400,constant:200,constant:100")


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_counters_of_cray_lose_nothing_to_reads_that_fail(recorded: Recorder, fault: str) -> None:
    trace, truth = recorded(*CRAY, "--fault", fault.format(register="cpu_energy"))
    for domain, register in (("cpu", "cpu_energy"), ("dram", "memory_energy")):
        Account(trace, domain).hold(truth, register)
    assert not any("one of them is wrong" in warning for warning in trace.metadata.raw["warnings"])


@pytest.mark.parametrize("off_us", ["-700000", "2000000"], ids=["behind", "ahead"])
def test_stamps_of_cray_that_are_off_cost_no_energy(recorded: Recorder, off_us: str) -> None:
    trace, truth = recorded(*CRAY, "--cray-off", off_us)
    Account(trace, "cpu").hold(truth, "cpu_energy")


def test_counters_of_cray_that_start_again_leave_a_gap(recorded: Recorder) -> None:
    trace, truth = recorded(*CRAY, "--fault", "reset:cpu_energy:2")
    cpu = Account(trace, "cpu")
    cpu.hold(truth, "cpu_energy")
    assert "reset" in cpu.flags


def test_parts_of_a_node_that_draw_more_than_the_node_are_told(recorded: Recorder) -> None:
    trace, _ = recorded("--cray", "constant:150,constant:200,constant:100")
    told = [warning for warning in trace.metadata.raw["warnings"] if "one of them is wrong" in warning]
    assert len(told) == 1
    assert told[0].startswith("cpu, dram tell ")


JETSON = ("--monitor", "VDD_IN=constant:20", "--monitor", "VDD_CPU_GPU_CV=constant:8")
TOTAL = "hwmon-ina3221-vdd-in"
POWERS = {
    "power that fails": "fail:{register}:2:0.1",
    "power that is garbage": "garbage:{register}:2:0.1",
    "power beyond what a module can draw": "jump:{register}:2:0.1:9000",
    "power of nothing": "zero:{register}:2:0.1",
}


@pytest.mark.parametrize("fault", POWERS.values(), ids=POWERS)
def test_a_jetson_s_module_is_right_or_a_gap_around_what_cannot_be(recorded: Recorder, fault: str) -> None:
    trace, truth = recorded(*JETSON, "--fault", fault.format(register="VDD_IN"))
    module = Account(trace, TOTAL)
    module.hold(truth, "VDD_IN")
    assert "integrated" in module.flags
    assert 0.05 < module.unknown_s < 1
    counted = [domain["name"] for domain in trace.metadata.raw["domains"] if domain["counted"]]
    assert counted == [TOTAL]


ORIN = ("VDD_GPU_SOC=constant:20", "VDD_CPU_CV=square:4:8:0.5", "VIN_SYS_5V0=constant:6", "VDDQ_VDD2_1V8AO=constant:2")


def test_a_module_without_a_meter_is_its_rails_together_and_a_gap_while_one_fails(recorded: Recorder) -> None:
    rails = [word for rail in ORIN for word in ("--monitor", rail)]
    trace, truth = recorded(*rails, "--fault", "fail:VDD_CPU_CV:2:0.1")
    module = Account(trace, "hwmon-ina3221-module")
    assert {"integrated", "derived"} <= module.flags
    assert 0.05 < module.unknown_s < 1
    known = [stretch for stretch in module.stretches if not stretch.gap]
    offset_ns = module.offset_ns
    parts_j = sum(
        truth.energy_j(rail.partition("=")[0], stretch.start_ns - offset_ns, stretch.end_ns - offset_ns)
        for rail in ORIN[:3]
        for stretch in known
    )
    # Between two reads, 4 ms, a rail's power may step by 4 W, once in each quarter of a second.
    assert sum(stretch.energy_j for stretch in known) == pytest.approx(parts_j, rel=5e-3)


def grace(cpu_w: int) -> list[str]:
    meters = {"Module": 410, "Grace": 120, "CPU": cpu_w, "SysIO": 9}
    told = (f"power_meter:{name} Power Socket 0=constant:{power_w}" for name, power_w in meters.items())
    return [word for one in told for word in ("--monitor", one)]


def test_a_grace_s_memory_is_what_its_parts_leave_and_no_meter(
    recorded: Recorder, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = "hwmon-power_meter-grace-power-socket-0"
    trace, truth = recorded(*grace(70))
    Account(trace, whole).hold(truth, "Grace Power Socket 0")
    (memory,) = memories(trace)
    assert (memory.domain, memory.socket, memory.partly) == (whole, 0, False)
    assert memory.energy_j == pytest.approx((120 - 70 - 9) * memory.seconds, rel=1e-6)
    assert memory.seconds > 2
    assert [domain.name for domain in trace.metadata.counted] == [whole]
    assert len(trace.metadata.domains) == 4
    assert main(["ledger", str(trace.path)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == str(memory)


@pytest.mark.parametrize(
    ("cpu_w", "faults", "told"),
    [(70, ("--fault", "fail:CPU Power Socket 0:2:0.3"), ": about "), (115, (), ": not known, its parts drew ")],
    ids=["a part fails", "the parts draw more than the whole"],
)
def test_a_grace_s_memory_is_rough_or_not_known_where_its_parts_are(
    recorded: Recorder, cpu_w: int, faults: tuple[str, ...], told: str
) -> None:
    trace, _ = recorded(*grace(cpu_w), *faults)
    (memory,) = memories(trace)
    assert told in str(memory)
