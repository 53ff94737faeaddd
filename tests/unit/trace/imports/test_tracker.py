"""Logs of experiment-impact-tracker as traces: its own figures come out, and nothing of a log is trusted."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import zipfile
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from called import called
from smaragdine import SmaragdineError, Trace
from smaragdine.daemon.private import find_binary
from smaragdine.trace.imports import archive, directory, tracker, unpickler

# A run that began at 2019-11-01 00:00:00, seven hours behind UTC, and ended five seconds after its last sample.
START = datetime(2019, 11, 1, 7, 0, tzinfo=timezone.utc).timestamp()
NAIVE = datetime(2019, 11, 1)  # noqa: DTZ001  as the tool writes it
PUE = 1.58


def sample(seconds: float, **fields: Any) -> dict[str, Any]:
    told = {
        "timestamp": START + seconds,
        "rapl_power_draw_absolute": 50.0,
        "rapl_estimated_attributable_power_draw": 20.0,
        "nvidia_draw_absolute": 100.0,
        "nvidia_estimated_attributable_power_draw": 100.0,
        "average_gpu_estimated_utilization_absolute": 0.5,
        "realtime_carbon_intensity": 300.0,
        "cpu_time_seconds": {"7": {"user": seconds, "system": 1.0}, "8": {"user": 2.0, "system": 0.0}},
    }
    return told | fields


def info(**fields: Any) -> dict[str, Any]:
    told = {
        "experiment_impact_tracker_version": "0.1.1",
        "experiment_start": NAIVE,
        "experiment_end": NAIVE + timedelta(seconds=35),
        "region": {"id": "US-CA"},
        "region_carbon_intensity_estimate": {"carbonIntensity": 250.0},
        "gpu_info": [{"name": "TITAN V"}],
        "cpu_info": {"brand": "Intel(R) Xeon(R) CPU E5-2630 v3 @ 2.40GHz", "count": 32},
    }
    return told | fields


def log(path: Path, samples: list[dict[str, Any]], fields: dict[str, Any] | None = None, tail: str = "") -> Path:
    path.mkdir(parents=True)
    (path / "info.pkl").write_bytes(pickle.dumps(info() if fields is None else fields))
    (path / "data.json").write_text("".join(json.dumps(one) + "\n" for one in samples) + tail)
    return path


SAMPLES = [sample(10.0), sample(20.0, realtime_carbon_intensity=360.0), sample(30.0)]


def imported(tmp_path: Path, samples: list[dict[str, Any]], fields: dict[str, Any] | None = None) -> Trace:
    directory.write(tracker.read(log(tmp_path / "log", samples, fields)), tmp_path / "trace")
    return Trace.open(tmp_path / "trace")


def stated(trace: Path, *arguments: str) -> dict[str, Any]:
    code, out, err = called("statement", trace, "--format", "json", *arguments)
    assert code == 0, err
    content: dict[str, Any] = json.loads(out)
    return content


def test_the_tools_own_figures_come_out_of_a_statement(tmp_path: Path) -> None:
    imported(tmp_path, SAMPLES)
    content = stated(tmp_path / "trace")
    assert content["duration_h"] == pytest.approx(35 / 3600)
    assert content["cpu_kwh"] == pytest.approx(20 * 35 / 3.6e6)
    assert content["gpu_kwh"] == pytest.approx(100 * 35 / 3.6e6)
    assert content["dram_kwh"] is None and "DRAM" not in content["not_measured"]
    assert content["pue"] == PUE and "own assumption" in content["pue_source"]
    assert content["energy_kwh"] == pytest.approx(PUE * 120 * 35 / 3.6e6)
    grams = PUE * 120 / 3.6e6 * (10 * 300 + 10 * 360 + 15 * 300)
    assert content["emissions_kg"] == pytest.approx(grams / 1000)
    # Its mean is of samples, the one that it extends to the end among them.
    assert content["intensity_g_per_kwh"] == pytest.approx((300 + 360 + 300 + 300) / 4)
    assert content["gpu_h"] == pytest.approx(0.5 * 35 / 3600)
    assert content["cpu_h"] == pytest.approx((30 + 1 + 2) / 3600)
    assert content["social_cost_country"] == "USA"
    assert content["imported_from"] == "experiment-impact-tracker"


def test_a_region_that_is_told_stands_in_for_the_logs_own(tmp_path: Path) -> None:
    imported(tmp_path, SAMPLES)
    content = stated(tmp_path / "trace", "--region", "US-VT", "--pue", "1.2")
    assert (content["pue"], content["intensity_g_per_kwh"]) == (1.2, 23.7)
    assert content["emissions_kg"] == pytest.approx(1.2 * 120 * 35 / 3.6e6 * 23.7 / 1000)


def test_a_ledger_closes_and_says_what_was_the_runs(tmp_path: Path) -> None:
    trace = imported(tmp_path, SAMPLES)
    assert trace.ledger().domain("rapl")["untraced"] == pytest.approx(20 * 35)
    assert trace.ledger().domain("rapl")["other"] == pytest.approx(30 * 35)
    assert sum(trace.ledger().domain("rapl").values()) == pytest.approx(trace.readings["rapl"].total_j)
    assert trace.metadata.raw["options"]["imported"]["tool"] == "experiment-impact-tracker"
    for command in ("ledger", "footprint", "regions"):
        assert called(command, tmp_path / "trace")[0] == 0


def test_what_is_accounted_anew_is_the_same(tmp_path: Path) -> None:
    imported(tmp_path, [*SAMPLES, sample(40.0, rapl_estimated_attributable_power_draw=None)])
    before = stated(tmp_path / "trace")
    done = subprocess.run([find_binary(), "account", tmp_path / "trace", "--policy", "equal"], check=False)
    assert done.returncode == 0
    assert stated(tmp_path / "trace") == before


@pytest.mark.parametrize("hours", [-7, 0, 5.5, 13])
def test_times_without_a_zone_are_told_by_the_samples(tmp_path: Path, hours: float) -> None:
    naive = NAIVE + timedelta(hours=7 + hours)
    fields = info(experiment_start=naive, experiment_end=naive + timedelta(seconds=35))
    read = tracker.read(log(tmp_path / "log", SAMPLES, fields))
    assert (read.start_ns, read.end_ns) == (round(START * 1e9), round((START + 35) * 1e9))


def test_clocks_that_change_within_a_run_change_nothing(tmp_path: Path) -> None:
    fields = info(experiment_end=NAIVE + timedelta(seconds=35) - timedelta(hours=1))
    read = tracker.read(log(tmp_path / "log", SAMPLES, fields))
    assert read.end_ns == round((START + 35) * 1e9)


def test_a_time_that_no_zone_explains_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SmaragdineError, match="is no time zone"):
        tracker.read(log(tmp_path / "log", SAMPLES, info(experiment_start=NAIVE - timedelta(days=3))))
    with pytest.raises(SmaragdineError, match="experiment_start is no time"):
        tracker.read(log(tmp_path / "other", SAMPLES, info(experiment_start="yesterday")))


@pytest.mark.parametrize("power", [None, "n/a", -5.0, float("nan"), 1e12])
def test_a_missing_or_impossible_power_is_a_gap_and_no_zero(tmp_path: Path, power: Any) -> None:
    samples = [sample(10.0), sample(20.0, rapl_estimated_attributable_power_draw=power), sample(30.0)]
    trace = imported(tmp_path, samples)
    ((flags,),) = trace.sql("select flags from readings where len(flags) > 0").fetchall()
    assert flags == ["lost" if power in (None, "n/a") or power != power else "impossible"]
    assert trace.readings["rapl"].gap.tolist() == [False, True, False, False]
    content = stated(tmp_path / "trace")
    assert content["cpu_kwh"] == pytest.approx(20 * 25 / 3.6e6) and content["energy_high_kwh"] is None


def test_a_share_above_the_whole_is_never_above_1(tmp_path: Path) -> None:
    trace = imported(tmp_path, [sample(10.0, rapl_estimated_attributable_power_draw=80.0), sample(20.0)])
    assert max(trace.readings["rapl"].app_share) == 1.0
    assert trace.ledger().domain("rapl")["untraced"] == pytest.approx(80 * 10 + 20 * 25)
    assert trace.ledger().domain("rapl")["other"] == pytest.approx(30 * 25)


def test_missing_intensities_are_filled_as_the_tool_does_it(tmp_path: Path) -> None:
    samples = [
        sample(10.0, realtime_carbon_intensity="n/a"),
        sample(20.0, realtime_carbon_intensity=400.0),
        sample(30.0, realtime_carbon_intensity="n/a"),
    ]
    assert tracker.read(log(tmp_path / "a", samples)).told["intensity_g_per_kwh"] == pytest.approx(400)
    nowhere = [sample(10.0, realtime_carbon_intensity=None)]
    assert tracker.read(log(tmp_path / "b", nowhere)).told["intensity_g_per_kwh"] == pytest.approx(250)
    unknown = info(region_carbon_intensity_estimate={})
    told = tracker.read(log(tmp_path / "c", nowhere, unknown)).told
    assert told["intensity_g_per_kwh"] is None and told["emissions_kg"] is None


def test_a_run_that_was_killed_is_cut_and_has_no_upper_bound(tmp_path: Path) -> None:
    fields = {name: value for name, value in info().items() if name != "experiment_end"}
    directory.write(tracker.read(log(tmp_path / "log", SAMPLES, fields, '{"timest')), tmp_path / "trace")
    trace = Trace.open(tmp_path / "trace")
    assert trace.metadata.state == "cut" and "cut off" in trace.metadata.warnings[0]
    content = stated(tmp_path / "trace")
    assert content["energy_high_kwh"] is None and content["cut"]
    assert content["duration_h"] == pytest.approx(30 / 3600)


@pytest.mark.parametrize(
    ("samples", "says"),
    [
        ([], "no sample: nothing was recorded"),
        ([sample(10.0), sample(10.0)], "line 2 of data.json is not later"),
        ([{"timestamp": "soon"}], "line 1 of data.json is no sample"),
        ([sample(10.0), {}, sample(30.0)], "line 2 of data.json is no sample"),
        ([sample(-4e10)], "line 1 of data.json is no sample"),
    ],
)
def test_a_log_that_no_run_left_is_refused(tmp_path: Path, samples: list[dict[str, Any]], says: str) -> None:
    with pytest.raises(SmaragdineError, match=says):
        tracker.read(log(tmp_path / "log", samples))


class Hostile:
    def __init__(self, call: Any, *arguments: Any) -> None:
        self._made = (call, arguments)

    def __reduce__(self) -> Any:
        return self._made


@pytest.mark.parametrize(
    "hostile",
    [Hostile(os.system, "touch pwned"), Hostile(eval, "1"), Hostile(bytearray, 1 << 40), Hostile(open, "x", "w")],
)
def test_a_pickle_calls_nothing(tmp_path: Path, hostile: Hostile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with pytest.raises(SmaragdineError, match=r"is not read: it names (posix|nt|builtins|__builtin__|io|_io)"):
            unpickler.read(pickle.dumps(info(extra=hostile), protocol), "info.pkl")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no pickle",
        b"\x80\x04r\xff\xff\xff\x7f.",  # a memo of two thousand million places
        b"\x80\x05\x96\xff\xff\xff\xff\xff\x00\x00\x00.",  # room for an array before its content
        b"\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\x7f.",
        b"cos\nsystem\n(S'true'\ntR.",
        b"Pid\n.",
        b"\x80\x02\x82\x01.",
        pickle.dumps(info())[:-20],
    ],
)
def test_what_is_no_pickle_or_wants_too_much_is_refused(content: bytes) -> None:
    with pytest.raises(SmaragdineError, match=r"info\.pkl is not read"):
        unpickler.read(content, "info.pkl")


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_dates_are_read_in_every_protocol(protocol: int) -> None:
    assert unpickler.read(pickle.dumps(info(), protocol), "info.pkl") == info()


def test_objects_of_the_tools_packages_are_stand_ins(tmp_path: Path) -> None:
    packages = b"(lp0\nccopy_reg\n_reconstructor\n"  # what is not of those packages stays refused
    with pytest.raises(SmaragdineError, match="copy_reg"):
        unpickler.read(packages + b".", "info.pkl")
    distribution = b"\x80\x03cpkg_resources\nDistInfoDistribution\n)\x81}X\x01\x00\x00\x00aK\x01sb."
    assert isinstance(unpickler.read(distribution, "info.pkl"), unpickler.Inert)


def zipped(path: Path, members: dict[str, bytes], **options: Any) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, **options) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return path


def members(prefix: str = "") -> dict[str, bytes]:
    data = "".join(json.dumps(one) + "\n" for one in SAMPLES).encode()
    return {f"{prefix}info.pkl": pickle.dumps(info()), f"{prefix}data.json": data}


def test_an_archive_is_read_and_never_unpacked(tmp_path: Path) -> None:
    file = zipped(tmp_path / "run.zip", members("impacttracker/"))
    assert tracker.read(file).components[0].intervals[0].app_j == pytest.approx(200)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["run.zip"]


@pytest.mark.parametrize("prefix", ["/", "../", "a/../../", "..\\"])
def test_an_archive_that_names_what_lies_outside_is_refused(tmp_path: Path, prefix: str) -> None:
    with pytest.raises(SmaragdineError, match="lies outside of it"):
        tracker.read(zipped(tmp_path / "run.zip", members(prefix)))


def test_a_bomb_is_refused_before_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "LARGEST", 1 << 20)
    bomb = members() | {"data.json": b"0" * (2 << 20)}
    with pytest.raises(SmaragdineError, match="larger than 1 MiB"):
        tracker.read(zipped(tmp_path / "run.zip", bomb))
    many = {f"{number}": b"" for number in range(10_001)}
    with pytest.raises(SmaragdineError, match="10,001 files"):
        tracker.read(zipped(tmp_path / "many.zip", many))


def test_what_is_no_archive_or_holds_no_log_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run.zip").write_bytes(b"PK nonsense")
    with pytest.raises(SmaragdineError, match="cannot read"):
        tracker.read(tmp_path / "run.zip")
    with pytest.raises(SmaragdineError, match="cannot read"):
        tracker.read(tmp_path / "nowhere")
    with pytest.raises(SmaragdineError, match=r"holds no info.pkl"):
        tracker.read(zipped(tmp_path / "empty.zip", {"a": b""}))
    twice = members("a/") | members("b/")
    with pytest.raises(SmaragdineError, match=r"holds 2 files named info.pkl"):
        tracker.read(zipped(tmp_path / "two.zip", twice))
    damaged = bytearray(zipped(tmp_path / "bad.zip", members()).read_bytes())
    damaged[60:90] = bytes(30)
    (tmp_path / "bad.zip").write_bytes(damaged)
    with pytest.raises(SmaragdineError):
        tracker.read(tmp_path / "bad.zip")


def test_the_command_writes_a_trace_and_never_over_one(tmp_path: Path) -> None:
    file = zipped(tmp_path / "run.zip", members())
    line = ["import", file, "--from", "tracker", "-o", tmp_path / "out"]
    assert called(*line)[0] == 0
    code, out, err = called(*line)
    assert (code, out) == (2, "") and "holds something already" in err
