"""The statement: what it says, in every form, and what it refuses to say."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from called import called
from smaragdine import SmaragdineError, Trace
from smaragdine.accounts.machine import GpuHardware, Hardware
from smaragdine.carbon import Place
from smaragdine.carbon.equivalents import KG_PER_SHORT_TON, equivalents
from smaragdine.carbon.forms import FORMATS
from smaragdine.carbon.hardware import find, known_as, of_trace
from smaragdine.carbon.social_cost import SocialCost
from smaragdine.carbon.statement import Statement
from smaragdine.cli import statement as command
from testbed import synthetic_trace

KEYS = {
    "duration_h", "cpu_h", "gpu_h", "cpu_kwh", "gpu_kwh", "dram_kwh", "energy_kwh", "pue", "emissions_kg",
    "intensity_g_per_kwh", "social_cost_usd",
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("traces")


@pytest.fixture(scope="module")
def bert(folder: Path) -> Path:
    hardware = {
        "cpu": "Intel(R) Xeon(R) CPU E5-2630 v4 @ 2.20GHz", "sockets": 2, "logical_cpus": 40,
        "gpus": [{"index": 0, "name": "NVIDIA A100-SXM4-40GB"}],
    }  # fmt: skip
    labels = {"region": "CA-QC", "pue": "1.2"}
    return synthetic_trace.write(folder / "bert", gpu=True, overrides={"hardware": hardware, "labels": labels})


@pytest.fixture(scope="module")
def modelled(folder: Path) -> Path:
    return synthetic_trace.write(folder / "modelled", basis="modelled")


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SMARAGDINE_REGION", raising=False)


def stated(*arguments: object) -> tuple[int, str, str]:
    return _stated(tuple(map(str, arguments)))


@cache
def _stated(arguments: tuple[str, ...]) -> tuple[int, str, str]:
    return called("statement", *arguments)


def as_json(*arguments: object) -> dict[str, Any]:
    code, out, err = stated(*arguments, "--format", "json")
    assert code == 0, err
    content: dict[str, Any] = json.loads(out)
    return content


def test_the_trackers_own_statement_comes_out_of_the_installed_command() -> None:
    line = [sys.executable, "-m", "smaragdine", "statement", "--emissions-kg", "8.021", "--country", "USA"]
    out = subprocess.run(line, capture_output=True, text=True, check=True).stdout
    assert "8.021 kg of CO2eq" in out
    assert "a USA-specific social cost of carbon of $0.38 ($0.00, $0.95)" in out
    content = as_json("--emissions-kg", "8.021", "--country", "United States")
    assert content["social_cost_usd"] == pytest.approx(0.38358, rel=1e-4)
    assert content["energy_kwh"] is None and content["intensity_g_per_kwh"] is None


def test_a_country_that_gains_has_a_negative_cost() -> None:
    assert SocialCost.of("Canada").sentence(10_000) == "-$82.18 (-$110.12, -$54.53)"
    for name in ("GB", "gbr", "UK", "United Kingdom"):
        assert SocialCost.of(name).country == "GBR"
    with pytest.raises(SmaragdineError, match="not known for 'Atlantis'"):
        SocialCost.of("Atlantis")


def test_json_has_the_keys_that_others_build_on(bert: Path) -> None:
    content = as_json(bert)
    assert content.keys() >= KEYS
    parts = sum(content[f"{name}_kwh"] for name in ("cpu", "gpu", "dram"))
    assert content["pue"] == 1.2
    assert content["energy_kwh"] == pytest.approx(1.2 * parts, rel=1e-12)
    assert content["emissions_kg"] == pytest.approx(content["energy_kwh"] * content["intensity_g_per_kwh"] / 1000)
    assert (content["region"], content["region_told_by"]) == ("CA-QC", "by the trace's label")
    assert content["intensity_source"] and content["intensity_year"] and content["intensity_licence"]
    assert content["sci_g"].keys() == {"step", "sample"}
    assert content["sci_g"]["sample"] == pytest.approx(content["sci_g"]["step"] / 8)
    # 1.5 CPUs for steps of 0.1 s; nobody sampled whether the GPU was held.
    assert content["cpu_h"] == pytest.approx(1.5 * 0.1 * content["steps"] / 3600)
    assert content["gpu_h"] is None and content["gpu_used_h"] is None


def test_several_traces_add_up(bert: Path) -> None:
    one, two = as_json(bert), as_json(bert, bert)
    assert two["energy_kwh"] == pytest.approx(2 * one["energy_kwh"])
    assert two["emissions_kg"] == pytest.approx(2 * one["emissions_kg"])
    assert (two["runs"], two["steps"], two["duration_h"]) == (2, 2 * one["steps"], pytest.approx(2 * one["duration_h"]))


def test_energy_without_a_place_stays_energy(folder: Path) -> None:
    homeless = synthetic_trace.write(folder / "homeless")
    code, out, _ = stated(homeless)
    assert code == 0 and "no region is told, so the energy stays energy" in out
    content = as_json(homeless)
    assert content["emissions_kg"] is None and content["social_cost_usd"] is None and content["energy_kwh"] > 0
    code, _, err = stated(homeless, "--format", "model-card")
    assert code == 2 and "without a region none are known" in err


def test_modelled_energy_is_stated_only_when_it_is_allowed_and_is_marked(modelled: Path) -> None:
    code, out, err = stated(modelled, "--region", "DEU")
    assert (code, out) == (3, "") and "--allow-modelled" in err
    for form in FORMATS:
        code, out, err = stated(modelled, "--region", "DEU", "--allow-modelled", "--format", form)
        assert code == 0, err
        assert "modelled" in out, form
        assert "no energy sensor was readable" in out, form
    content = as_json(modelled, "--allow-modelled")
    assert content["basis"] == "modelled" and content["modelled_kwh"] == content["energy_kwh"]
    assert content["dram_kwh"] is None and content["gpu_kwh"] is None


def test_mixed_energy_tells_how_much_of_it_is_modelled(folder: Path) -> None:
    mixed = synthetic_trace.write(folder / "mixed", gpu=True, basis="modelled")
    content = as_json(mixed)
    assert content["basis"] == "measured and modelled"
    assert content["modelled_kwh"] == pytest.approx(content["cpu_kwh"])
    _, out, _ = stated(mixed)
    assert "of it modelled, not measured" in out


@pytest.mark.parametrize("form", FORMATS)
def test_every_form_names_its_sources_and_an_anonymous_one_nobody(bert: Path, form: str) -> None:
    code, out, err = stated(bert, "--format", form, "--anonymous")
    assert code == 0, err
    assert "node-7" not in out and str(bert.parent) not in out
    assert not re.search(r"\bbert\b", out), form
    if form != "spdx":
        assert "Electricity Maps" in out


def test_the_model_card_block_is_yaml_in_grams(bert: Path) -> None:
    _, out, _ = stated(bert, "--format", "model-card", "--training", "fine-tuning")
    lines = out.splitlines()
    assert lines[0] == lines[-1] == "---" and lines[1] == "co2_eq_emissions:"
    fields = {key.strip(): json.loads(value) for key, _, value in (line.partition(": ") for line in lines[2:-1])}
    assert fields["emissions"] == pytest.approx(1000 * as_json(bert)["emissions_kg"], rel=0.03)
    assert fields["training_type"] == "fine-tuning" and fields["geographical_location"] == "Québec"


def test_spdx_states_kilowatt_hours_of_an_ai_package(bert: Path) -> None:
    _, out, _ = stated(bert, "--format", "spdx")
    graph = json.loads(out)["@graph"]
    package = next(element for element in graph if element["type"] == "ai_AIPackage")
    (told,) = package["ai_energyConsumption"]["ai_trainingEnergyConsumption"]
    assert told["ai_energyUnit"] == "kilowattHour"
    assert float(told["ai_energyQuantity"]) == pytest.approx(as_json(bert)["energy_kwh"], rel=0.05)
    assert stated("--format", "spdx", bert)[1] == out
    assert stated("--emissions-kg", "3", "--format", "spdx")[0] == 2


def test_latex_is_escaped_and_brings_its_bibliography(bert: Path) -> None:
    _, out, _ = stated(bert, "--format", "latex")
    body = out.split("% BibTeX")[0]
    assert not re.search(r"(?<!\\)[$#&_%](?![^{}]*times)", body.replace(" & ", " ").replace(r"$\times$", ""))
    for key in ("babakol2024tensor", "ricke2018country", "carbonintensity"):
        assert key in body and f"{{{key}," in out
    assert "accounted with Smaragdine" in out
    assert "accounted with Smaragdine" not in stated("--energy-kwh", "3", "--format", "latex")[1]


def test_annex_xi_has_computation_time_and_energy(bert: Path) -> None:
    _, out, _ = stated(bert, "--format", "annex-xi")
    assert "| 1(2)(d) | computational resources used for training | not known |" in out
    assert "known (measured)" in out
    _, out, _ = stated("--energy-kwh", "3", "--format", "annex-xi")
    assert "as told by the provider" in out


@pytest.mark.parametrize(
    "overrides",
    [
        {"gaps": 7},
        {"gaps": [7]},
        {"gaps": [{"domain": "package-0"}]},
        {"gaps": [{"domain": "package-0", "start_ns": 2**63, "end_ns": 2**64}]},
        {"gaps": [{"domain": ["package-0"], "start_ns": 1, "end_ns": 2}]},
        {"gaps": [{"domain": "package-0", "start_ns": 1, "end_ns": 2, "energy_high_j": "much"}]},
        {"gaps": [{"domain": "package-0", "start_ns": 2, "end_ns": 1, "energy_high_j": 3}]},
        {"gaps": [{"domain": "package-0", "start_ns": 1, "end_ns": 2, "energy_high_j": -3}]},
        {"options": {"imported": {"pue": 0.2, "tool": "x"}}},
        {"options": {"imported": {"pue": "1.2", "tool": "x"}}},
        {"options": {"imported": {"pue": 1.2, "emissions_kg": -1}}},
    ],
)
def test_a_trace_that_says_what_cannot_be_is_refused(tmp_path: Path, overrides: dict[str, Any]) -> None:
    trace = synthetic_trace.write(tmp_path / "odd", overrides=overrides)
    code, out, err = stated(trace, "--format", "json")
    assert (code, out) == (2, "") and "error: " in err


@pytest.mark.parametrize(
    "overrides",
    [
        {"hardware": {"gpus": [], "sockets": -1}},
        {"hardware": {"cpu": "", "sockets": 0, "gpus": [{"index": 7, "name": ""}]}},
        {"options": {"imported": 7}},
        {"gaps": []},
    ],
)
def test_a_trace_with_odd_hardware_is_stated_all_the_same(tmp_path: Path, overrides: dict[str, Any]) -> None:
    assert stated(synthetic_trace.write(tmp_path / "odd", overrides=overrides), "--format", "json")[0] == 0


def test_a_hostile_name_reaches_no_format_as_it_is(folder: Path) -> None:
    name = "a|b$c\x1b[31m\n- z\\input{x}"
    trace = synthetic_trace.write(folder / "hostile", name=name)
    for form in FORMATS:
        code, out, err = stated(trace, "--region", "FRA", "--format", form)
        assert code == 0, err
        assert "\x1b" not in out and "\n- z" not in out, form
    assert r"\textbackslash{}input" in stated(trace, "--region", "FRA", "--format", "latex")[1]
    assert r"a\|b\$c" in stated(trace, "--region", "FRA", "--format", "markdown")[1]


def test_pue_is_shown_with_a_hint_where_nobody_told_it(folder: Path) -> None:
    _, out, _ = stated("--energy-kwh", "10", "--region", "US-VT")
    assert "a PUE of 1.0 leaves out cooling" in out and "uptime-2020" in out
    content = as_json("--energy-kwh", "24.344", "--region", "US-VT", "--pue", "tracker")
    assert content["pue"] == 1.58 and "Strubell" in content["pue_source"]
    assert content["emissions_kg"] == pytest.approx(24.344 * 1.58 * 23.7 / 1000)
    assert content["significant_digits"] == 3


def test_the_users_own_figures_are_told_as_such(tmp_path: Path) -> None:
    content = as_json("--energy-kwh", "10", "--g-per-kwh", "100", "--market-based", "7", "--pue", "1.5")
    assert content["emissions_kg"] == pytest.approx(1.5)
    assert content["intensity_source"] == "the user's own figure, taken as lifecycle"
    assert content["intensity_year"] is None
    assert content["market_based_kg"] == pytest.approx(0.105) and content["accounting"] == "location-based"
    table = tmp_path / "own.csv"
    table.write_text("place,g_per_kwh,year,scope,source\nlab,120,2026,lifecycle,our meter\n")
    content = as_json("--energy-kwh", "10", "--region", "lab", "--table", table)
    assert (content["intensity_g_per_kwh"], content["intensity_source"]) == (120.0, "our meter")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "there is nothing to state"),
        (("--energy-kwh", "3", "--emissions-kg", "4"), "more than one thing"),
        (("--energy-kwh", "nan"), "--energy-kwh: 'nan' is no amount"),
        (("--energy-kwh", "-1"), "is no amount"),
        (("--emissions-kg", "lots"), "is no amount"),
        (("--energy-kwh", "1", "--g-per-kwh", "0"), "'0' is no carbon intensity"),
        (("--energy-kwh", "1", "--region", "Germny"), "nearest: DEU (Germany)"),
        (("--energy-kwh", "1", "--pue", "0.5"), "is no PUE"),
        (("--emissions-kg", "1", "--country", "Atlantis"), "not known for 'Atlantis'"),
        (("/nonexistent",), "is not a trace"),
    ],
)
def test_what_makes_no_sense_is_refused_in_words(arguments: tuple[str, ...], says: str) -> None:
    code, out, err = stated(*arguments)
    assert (code, out) == (2, "")
    assert says in err and "Traceback" not in err


def test_design_power_times_hours_is_held_against_what_was_measured(bert: Path) -> None:
    content = as_json(bert)
    gpu = next(one for one in content["design_power"] if one["kind"] == "gpu")
    assert gpu["guess_kwh"] == pytest.approx(0.4 * content["duration_h"])
    assert gpu["measured_kwh"] == pytest.approx(content["gpu_kwh"])
    assert gpu["factor"] == pytest.approx(gpu["guess_kwh"] / gpu["measured_kwh"])
    assert {one["kind"] for one in content["design_power"]} == {"cpu", "gpu"}


def test_hardware_is_known_exactly_or_not_at_all() -> None:
    cpu = known_as("Intel(R) Xeon(R) CPU E5-2630 v4 @ 2.20GHz")
    assert cpu is not None and cpu.tdp_w == 85
    assert known_as("Intel(R) Xeon(R) Processor") is None
    gpus = (GpuHardware(0, "NVIDIA H200"), GpuHardware(1, "NVIDIA H200"))
    assert of_trace(Hardware(cpu="unheard of", gpus=gpus))[0].power_w == 1400
    assert find("H200", 8).power_w == 5600 and find("my board=123.5").tdp_w == 123.5
    with pytest.raises(SmaragdineError, match="several parts are called 'A100'"):
        find("A100")
    with pytest.raises(SmaragdineError, match="no table knows the hardware"):
        find("Abacus")
    with pytest.raises(SmaragdineError, match="is no hardware"):
        find("board=-3")


def test_the_tons_of_the_equivalents_are_short_tons() -> None:
    # Strubell et al. print 1,984 lb for the flight, which EnergyVis has as 0.99 tons.
    assert abs(0.99 * KG_PER_SHORT_TON - 1984 * 0.45359237) < 5
    flight = next(iter(equivalents(0.99 * KG_PER_SHORT_TON)))
    assert flight.count == pytest.approx(1.0) and "EnergyVis" in flight.source


def test_a_trace_states_itself(bert: Path) -> None:
    trace = Trace.open(bert)
    statement = trace.statement(Place("CA-QC", pue=1.2))
    assert isinstance(statement, Statement)
    assert json.loads(statement.write("json"))["emissions_kg"] == pytest.approx(as_json(bert)["emissions_kg"])
    assert str(statement).startswith("This work contributed")
    assert trace.statement().kg is None


def test_the_forms_of_the_command_are_those_of_the_room() -> None:
    assert list(command.FORMATS) == list(FORMATS)


@pytest.mark.parametrize("form", FORMATS)
def test_an_anonymous_statement_holds_nothing_of_what_ran_or_where(form: str, tmp_path: Path) -> None:
    secrets = {
        "name": "NAME-of-mine",
        "host": {"name": "HOST-of-mine", "kernel": "6.1", "os": "OS-of-mine", "container": "docker"},
        "program": {
            "command": ["/home/USER-of-mine/train.py", "--x", "COMMAND-of-mine"],
            "git": {"commit": "c0ffee" * 6 + "c0ff", "dirty": True},
            "packages": {"PACKAGE-of-mine": "1.0"},
        },
    }
    trace = Trace.open(synthetic_trace.write(tmp_path, overrides=secrets))
    written = trace.statement(Place("CA-QC")).write(form, anonymous=True)
    assert "of-mine" not in written and "c0ffee" not in written


@pytest.mark.parametrize(
    ("device", "domain", "component"),
    [("CPU:0", "dram-0", "dram"), ("CPU:0", "node7/dram-1", "dram"), ("CPU:0", "dram/package-0", "cpu"),
     ("GPU:0", "node7/gpu-0", "gpu"), ("node7/GPU:1", "node7/gpu-1", "gpu"), ("MODULE:0", "a/module-0", "module"),
     ("CPU:0", "a/psys", "cpu")],
)  # fmt: skip
def test_components_of_a_job_s_hosts_are_told_apart_as_those_of_one(device: str, domain: str, component: str) -> None:
    from smaragdine.carbon.credit import component as told

    assert told(device, domain) == component
