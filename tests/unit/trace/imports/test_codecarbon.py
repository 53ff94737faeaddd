"""CodeCarbon's emissions.csv as traces."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from called import called
from smaragdine import SmaragdineError, Trace
from smaragdine.trace.imports import codecarbon, directory

HEADER = (
    "timestamp,project_name,duration,emissions,cpu_energy,gpu_energy,ram_energy,energy_consumed,country_iso_code,"
    "codecarbon_version,cpu_model,gpu_model,pue\n"
)
ROW = "2026-03-01T12:00:00,bert,3600,0.42,0.1,0.9,0.05,1.05,FRA,3.0.0,Intel Xeon,2 x NVIDIA A40,{pue}\n"


def write(path: Path, *rows: str, header: str = HEADER) -> Path:
    file = path / "emissions.csv"
    file.write_text(header + "".join(rows))
    return file


def stated(*arguments: object) -> dict[str, Any]:
    code, out, err = called("statement", "--format", "json", *arguments)
    assert code == 0, err
    content: dict[str, Any] = json.loads(out)
    return content


def test_a_run_keeps_its_figures_and_its_guesses_stay_marked(tmp_path: Path) -> None:
    (log,) = codecarbon.read(write(tmp_path, ROW.format(pue="1.25")))
    directory.write(log, tmp_path / "trace")
    content = stated(tmp_path / "trace")
    # CodeCarbon's energies hold its PUE already.
    assert content["energy_kwh"] == pytest.approx(1.05)
    assert content["gpu_kwh"] == pytest.approx(0.9 / 1.25) and content["dram_kwh"] == pytest.approx(0.05 / 1.25)
    assert content["emissions_kg"] == pytest.approx(0.42)
    assert content["intensity_g_per_kwh"] == pytest.approx(400)
    assert content["modelled_kwh"] == pytest.approx(0.15) and content["basis"] == "measured and modelled"
    trace = Trace.open(tmp_path / "trace")
    assert trace.metadata.duration_s == 3600 and len(trace.metadata.hardware.gpus) == 2
    assert any("taken for UTC" in warning for warning in trace.metadata.warnings)


def test_a_run_without_a_sensor_needs_no_permission_to_be_stated(tmp_path: Path) -> None:
    row = ROW.format(pue="").replace(",0.9,", ",0,")
    (log,) = codecarbon.read(write(tmp_path, row))
    directory.write(log, tmp_path / "trace")
    content = stated(tmp_path / "trace")
    assert content["basis"] == "modelled" and content["gpu_kwh"] is None and content["pue"] == 1.0
    assert "names none" in content["pue_source"] and content["notice"] is None
    assert "modelled by codecarbon, not measured" in content["statement"]


def test_several_runs_become_a_directory_of_traces_and_add_up(tmp_path: Path) -> None:
    write(tmp_path, ROW.format(pue="1.0"), ROW.format(pue="1.0"))
    assert called("import", tmp_path, "--from", "codecarbon", "-o", tmp_path / "out")[0] == 0
    content = stated(tmp_path / "out" / "run=1", tmp_path / "out" / "run=2")
    assert content["emissions_kg"] == pytest.approx(0.84) and content["runs"] == 2


def test_logs_with_different_pues_have_no_common_statement(tmp_path: Path) -> None:
    logs = codecarbon.read(write(tmp_path, ROW.format(pue="1.0"), ROW.format(pue="1.5")))
    for number, log in enumerate(logs):
        directory.write(log, tmp_path / f"{number}")
    code, _, err = called("statement", tmp_path / "0", tmp_path / "1")
    assert code == 2 and "have no common statement" in err
    content = stated(tmp_path / "0", tmp_path / "1", "--region", "FRA", "--pue", "1.1", "--allow-modelled")
    assert content["pue"] == 1.1 and content["region"] == "FRA"


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("0.42", "-1", "line 2: emissions '-1' is no amount"),
        ("3600", "nan", "line 2: duration 'nan' is no amount"),
        (",0.1,0.9,0.05,", ",0,0,0,", "the run has no energy"),
        ("2026-03-01T12:00:00", "noon", "'noon' is no time"),
        ("{pue}", "0.5", "0.5 is no PUE"),
    ],
)
def test_a_row_that_makes_no_sense_is_refused_with_its_line(tmp_path: Path, old: str, new: str, says: str) -> None:
    with pytest.raises(SmaragdineError) as raised:
        codecarbon.read(write(tmp_path, ROW.replace(old, new).format(pue="1.0")))
    assert says in str(raised.value)


def test_what_is_no_emissions_csv_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SmaragdineError, match=r"no emissions\.csv of CodeCarbon"):
        codecarbon.read(write(tmp_path, header="a,b\n"))
    with pytest.raises(SmaragdineError, match="holds no run"):
        codecarbon.read(write(tmp_path))
    with pytest.raises(SmaragdineError, match="cannot read"):
        codecarbon.read(tmp_path / "nowhere.csv")
