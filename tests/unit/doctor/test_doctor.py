"""Doctor says what can be measured and how well, who can change the rest, and what holds until then."""

from __future__ import annotations

import json
import os
import re
from dataclasses import replace
from pathlib import Path

import pytest

from smaragdine.accounts.domain import Domain
from smaragdine.cli import doctor, main
from smaragdine.cli.doctor import Examination, report
from smaragdine.daemon.client import Description, Source
from smaragdine.doctor.finding import findings
from smaragdine.doctor.message import RULE, UNIT, file
from smaragdine.doctor.surroundings import Surroundings
from smaragdine.doctor.trial import Rate, Trial
from testbed.hardware import powercap_tree

SNAPSHOTS = Path(__file__).parents[2] / "snapshots"
DESK = Surroundings("desk", "ada", False, False, 0, False, "/opt/venv/bin/smaragdined")


def domain(name: str, device: str = "CPU:0", source: str = "powercap", **more: object) -> Domain:
    plain = Domain(name, device, None, True, "measured", source, None, None)
    return replace(plain, **more)  # type: ignore[arg-type]


MODEL = Source("model", True, None, None, (domain("package-0", source="model", basis="modelled"),))
NO_NVML = Source("nvml", False, "libnvidia-ml.so.1: cannot open shared object file", "install the driver", ())
NO_HWMON = Source("hwmon", False, "/sys/class/hwmon: nothing meters energy or power", "powercap is usual", ())
SERVER = Source(
    "powercap",
    True,
    None,
    None,
    (
        domain("package-0"),
        domain("dram-0"),
        domain("core-0", counted=False, parent="package-0", not_counted_because="package-0 contains it"),
    ),
)
PUNCTUAL = {"name": "powercap", "ticks": 250, "missed_ticks": 0, "lateness_p50_ns": 22_000, "lateness_p99_ns": 71_000}
WELL = Trial(
    1.0,
    (
        Rate("package-0", 249, 4_000_000, 61, 83.25),
        Rate("dram-0", 249, 4_000_000, 15, 9.5),
        Rate("core-0", 249, 4_000_000, 61, 40.125),
    ),
    (PUNCTUAL,),
    (),
    "CPU time of processes by socket, /proc; SMT neighbours share cores",
)
MODELLED = Trial(1.0, (Rate("package-0", 100, 10_000_000, None, 12.0),), ({"name": "model", "ticks": 100},))


def described(*sources: Source) -> Description:
    return Description("0.1.0", sources, 0, "/var/lib/smaragdine")


def denied(place: str) -> Source:
    return Source("powercap", False, f"cannot open {place}: Permission denied (os error 13)", "ask", ())


ZONE = "/sys/class/powercap/intel-rapl:0/energy_uj"
ABSENT = Source("powercap", False, "/sys/class/powercap: it holds no energy zone", "load the driver", ())
CASES = {
    "all-well": Examination(
        described(SERVER, NO_NVML, NO_HWMON, MODEL), "/run/smaragdine/smaragdine.sock", None, WELL, DESK
    ),
    "forbidden": Examination(described(denied(ZONE), NO_NVML, NO_HWMON, MODEL), None, None, MODELLED, DESK),
    "not-a-member": Examination(
        described(denied(ZONE), NO_NVML, NO_HWMON, MODEL),
        None,
        "the system's daemon on /run/smaragdine/smaragdine.sock was left aside (you may not open it); "
        "a private one was started",
        MODELLED,
        DESK,
    ),
    "container": Examination(
        described(ABSENT, NO_NVML, NO_HWMON, MODEL), None, None, MODELLED, replace(DESK, container=True)
    ),
    "virtual-machine": Examination(
        described(ABSENT, NO_NVML, NO_HWMON, MODEL), None, None, MODELLED, replace(DESK, virtual=True)
    ),
    "gpu-without-kernels": Examination(
        described(
            replace(SERVER, domains=SERVER.domains[:1]),
            Source("nvml", True, None, None, (domain("gpu-0", "GPU:0", "nvml"),)),
            NO_HWMON,
            MODEL,
        ),
        None,
        None,
        replace(
            WELL,
            rates=(WELL.rates[0], Rate("gpu-0", 10, 100_000_000, 1000, 312.5)),
            sources=(
                {**PUNCTUAL, "missed_ticks": 40, "ticks": 210, "failed_reads": 3},
                {"name": "nvml", "ticks": 100},
            ),
        ),
        replace(DESK, gpus=1, profiling_restricted=True),
    ),
    "nothing-counted": Examination(
        described(
            ABSENT,
            Source(
                "nvml",
                True,
                None,
                None,
                (
                    domain(
                        "gpu-0",
                        "GPU:0",
                        "nvml",
                        counted=False,
                        not_counted_because="the application does not see this GPU: CUDA_VISIBLE_DEVICES=-1",
                    ),
                ),
            ),
            NO_HWMON,
            MODEL,
        ),
        None,
        None,
        replace(
            MODELLED,
            rates=(Rate("gpu-0", 100, 10_000_000, 1000, 61.5), *MODELLED.rates),
            sources=({"name": "nvml", "ticks": 100}, *MODELLED.sources),
        ),
        DESK,
    ),
    "shares-unknown": Examination(
        described(SERVER, NO_NVML, NO_HWMON, MODEL),
        None,
        None,
        replace(
            WELL,
            warnings=(
                "/proc/stat is a mount of its own (fuse.lxcfs), as a container's: it may show this container's CPU "
                "time alone, so which share of the machine's energy is the application's is unknown",
                "the share of package-1 is unknown: no CPU is known to be in the socket that it meters",
            ),
        ),
        replace(DESK, container=True),
    ),
    "hidden-processes": Examination(
        described(SERVER, NO_NVML, NO_HWMON, MODEL),
        "/run/smaragdine/smaragdine.sock",
        None,
        replace(WELL, warnings=("process 4711 is not visible to the daemon, so the application's share is unknown",)),
        DESK,
    ),
}


def held_to(name: str, text: str) -> None:
    """Compares with the snapshot; SMARAGDINE_SNAPSHOTS=1 writes it."""
    snapshot = SNAPSHOTS / name
    if os.environ.get("SMARAGDINE_SNAPSHOTS"):
        snapshot.parent.mkdir(exist_ok=True)
        snapshot.write_text(text)
    assert text == snapshot.read_text()


@pytest.mark.parametrize("case", CASES)
def test_what_is_told_reads_as_it_was_written_to_be_read(case: str) -> None:
    lines = report(CASES[case], 100)
    assert max(map(len, lines)) <= 100
    held_to(f"doctor-{case}.txt", "\n".join(lines) + "\n")


@pytest.mark.parametrize("case", ["forbidden", "not-a-member", "gpu-without-kernels", "hidden-processes"])
def test_the_message_to_an_administrator_is_ready_to_send(case: str) -> None:
    held_to(f"doctor-message-{case}.txt", CASES[case].message)


def test_where_an_administrator_can_do_nothing_there_is_no_message() -> None:
    assert CASES["all-well"].message == CASES["virtual-machine"].message == ""


def test_every_width_of_a_terminal_keeps_its_columns() -> None:
    for width in (72, 100, 132):
        assert max(map(len, report(CASES["forbidden"], width))) <= width


def test_the_unit_names_a_reason_for_its_capability_and_options_that_exist() -> None:
    unit = file(UNIT)
    assert unit == (Path(__file__).parents[3] / "packaging" / "systemd" / UNIT).read_text()
    assert re.findall(r"^(?:Ambient|Bounding)?\w*Capabilit\w+=(.*)$", unit, re.MULTILINE) == ["CAP_DAC_READ_SEARCH"] * 2
    config = (Path(__file__).parents[3] / "smaragdine-core" / "src" / "config.rs").read_text()
    (command,) = re.findall(r"^ExecStart=(.*)$", unit, re.MULTILINE)
    for option in re.findall(r"--([a-z-]+)", command):
        assert f"pub {option.replace('-', '_')}:" in config
    assert "CVE-2020-8694" in unit
    assert 'SUBSYSTEM=="powercap"' in file(RULE)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with the sensors of a fake tree, or none."""
    monkeypatch.setattr("smaragdine.daemon.running.SYSTEM_SOCKET", tmp_path / "none")
    for name in ("SMARAGDINE_SOCKET", "SMARAGDINE_STATE_DIR"):
        monkeypatch.delenv(name, raising=False)
    for name in ("POWERCAP_ROOT", "HWMON_ROOT", "NVML_LIBRARY", "DRM_ROOT", "PERF_ROOT", "CRAY_ROOT"):
        monkeypatch.setenv(f"SMARAGDINE_{name}", str(tmp_path / "none"))
    monkeypatch.setattr(doctor, "_TRIAL_S", 0.5)
    return tmp_path


@pytest.mark.daemon
def test_a_machine_with_sensors_is_examined_by_recording_with_them(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with powercap_tree(here / "tree") as tree:
        monkeypatch.setenv("SMARAGDINE_POWERCAP_ROOT", str(tree.root))
        assert main(["doctor", "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
        assert found["measurable"]
        assert found["measured"] == ["package-0", "dram-0"]
        package = found["trial"]["rates"][0]
        assert package["readings"] > 0
        assert package["power_w"] > 0
        assert main(["doctor"]) == 0
    shown = capsys.readouterr().out
    assert "✓ powercap: " in shown
    assert shown.endswith("Energy can be measured here: package-0, dram-0.\n")


@pytest.mark.daemon
def test_a_machine_without_sensors_ends_with_3_and_says_what_holds_until_then(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["doctor"]) == 3
    shown = capsys.readouterr().out
    assert "✗ powercap" in shown
    assert "until then" in shown
    assert shown.endswith("Energy cannot be measured here.\n")


@pytest.mark.daemon
def test_a_register_that_gives_no_reading_is_not_measured(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is there and may be read, but stands still."""
    with powercap_tree(here / "tree", "--package", "constant:0", "--dram", "none") as tree:
        monkeypatch.setenv("SMARAGDINE_POWERCAP_ROOT", str(tree.root))
        assert main(["doctor"]) == 3
    assert "no reading" in capsys.readouterr().out


PERF = Source("perf", True, None, None, (domain("package-0", source="perf"), domain("dram-0", source="perf")))
NO_PERF = Source("perf", False, "cannot open power/energy-pkg/ on CPU 0: Permission denied (os error 13)", "ask", ())


def told(*sources: Source, trial: Trial = WELL) -> dict[str, str]:
    examined = Examination(described(*sources, MODEL), None, None, trial, DESK)
    return {finding.about: f"{finding.can}\n{finding.ask}" for finding in examined.findings}


def test_registers_that_perf_may_read_leave_nothing_to_ask_for() -> None:
    assert told(denied(ZONE), PERF) == {}
    assert list(told(denied(ZONE), replace(PERF, domains=PERF.domains[:1]))) == ["no register meters memory"]
    # Powercap lacks the memory, which perf meters.
    assert told(replace(SERVER, domains=SERVER.domains[:1]), PERF) == {}


def test_perf_that_is_denied_is_another_thing_to_ask_for() -> None:
    ((about, ask),) = told(denied(ZONE), NO_PERF).items()
    assert about.startswith("CPU energy cannot be read")
    assert "perf_event_paranoid" in ask
    assert "perf_event_paranoid" not in told(denied(ZONE))[about]


def test_a_card_of_amd_that_cannot_be_metered_is_told_and_a_machine_without_one_is_not() -> None:
    absent = Source("drm", False, "no GPU of AMD or Intel below /sys/class/drm", "mount it", ())
    assert told(SERVER, absent) == {}
    silent = replace(absent, problem="gpu-0 (AMD 0x740f, 0000:03:00.0): it tells neither energy nor power")
    assert list(told(SERVER, silent)) == [f"GPU energy cannot be read: {silent.problem}"]


def test_who_uses_a_card_of_amd_is_unknown_and_what_helps_is_told() -> None:
    warning = "the share of gpu-0 is unknown: which processes use a GPU of AMD's or Intel's is not known here"
    card = Source("drm", True, None, None, (domain("gpu-0", "GPU:0", "drm"),))
    assert "to your program alone" in told(SERVER, card, trial=replace(WELL, warnings=(warning,)))[warning]


def test_a_jetson_s_module_stands_for_registers_that_no_jetson_has() -> None:
    rail = domain("hwmon-ina3221-vdd-in", "MODULE:0", "hwmon")
    no_rapl = Source("powercap", False, "/sys/class/powercap: No such file or directory", "load the driver", ())
    jetson = replace(DESK, gpus=1)
    trial = Trial(1.0, (Rate(rail.name, 249, 4_000_000, None, 12.5),), ())
    told = findings(described(no_rapl, NO_NVML, Source("hwmon", True, None, None, (rail,)), MODEL), None, trial, jetson)
    assert told == ()


def test_a_meter_that_tells_nothing_is_a_thing_to_ask_an_administrator_for() -> None:
    wall = domain("wall", source="meter", counted=False, not_counted_because="it checks the sum")
    meter = Source("meter", True, "ipmitool: it ended with 1: no such device", None, (wall,))
    trial = replace(WELL, sources=(PUNCTUAL, {"name": "meter", "ticks": 10, "failed_reads": 2}))
    told = findings(described(SERVER, NO_NVML, NO_HWMON, meter), None, trial, DESK)
    assert [finding.about for finding in told] == [
        "a meter outside this machine: ipmitool: it ended with 1: no such device",
        "a meter outside this machine: 2 values could not be had",
    ]
    assert all("ipmitool dcmi power reading" in finding.ask and "gap" in finding.until for finding in told)
