"""Logs of other tools in appendix, leaderboard and study: their own PUE and carbon, no steps, nothing impossible."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from called import called
from smaragdine import Trace, appendix
from smaragdine.carbon.cost import Cost

_HEADER = "timestamp,project_name,duration,emissions,cpu_energy,gpu_energy,ram_energy,country_iso_code,pue"
_ROWS = (
    "2026-01-02T03:04:05,exp,3600,0.5,0.042,0.1,0.005,FRA,1.0",
    "2026-01-02T05:04:05+02:00,exp,3700,0.52,0.043,0.11,0.005,FRA,1.0",
)


def imported(directory: Path, *rows: str) -> list[Path]:
    log = directory / "emissions.csv"
    log.write_text("\n".join((_HEADER, *rows)) + "\n")
    code, _, err = called("import", log, "--from", "codecarbon", "-o", directory / "out")
    assert code == 0, err
    return sorted((directory / "out").iterdir())


@pytest.fixture
def logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    monkeypatch.delenv("SMARAGDINE_REGION", raising=False)
    return imported(tmp_path, *_ROWS)


def test_logs_of_codecarbon_have_an_appendix_with_their_own_carbon(logs: list[Path]) -> None:
    files = appendix.site([(trace, Cost.of(trace)) for trace in map(Trace.open, logs)])
    (row,) = csv.DictReader(io.StringIO(files["data/groups.csv"].decode()))
    assert (row["group"], row["basis"], row["n"]) == ("exp (measured and modelled)", "measured and modelled", "2")
    assert float(row["energy_kwh_mean"]) == pytest.approx((0.147 + 0.158) / 2)
    assert float(row["emissions_kg_mean"]) == pytest.approx(0.51)
    assert "Logs of codecarbon keep their own power, PUE and carbon intensity." in files["data/methods.txt"].decode()
    assert "its times are taken for UTC" in next(text.decode() for name, text in files.items() if name[:6] == "runs/1")


def test_a_region_told_stands_before_the_logs_own(logs: list[Path], tmp_path: Path) -> None:
    code, out, err = called("study", *logs, "--region", "CA-QC", "--format", "json")
    assert code == 0, err
    (study,) = json.loads(out)["studies"]
    assert study["emissions_kg"] == pytest.approx(0.305 * 0.041, rel=0.01)


def test_a_study_of_logs_without_steps_says_that_a_run_is_its_example(logs: list[Path]) -> None:
    code, out, _ = called("study", *logs)
    assert code == 0
    assert "E × D = 152.5 Wh a run, neither samples nor steps being known of all; × H = 2 runs = 305.0 Wh" in out
    assert "95.00 Wh modelled" in out


def test_logs_without_metrics_have_no_leaderboard_and_never_reach_anything(logs: list[Path]) -> None:
    for arguments in (("leaderboard", *logs, "--metric", "loss"), ("study", *logs, "--reach", "loss=1")):
        code, _, err = called(*arguments)
        assert code == 2
        assert "hint: none of them logged a metric with its steps" in err


@pytest.mark.parametrize("energy", ["-0.1", "nan", "much"])
def test_negative_readings_and_those_that_are_none_are_refused_before_they_are_in_any_mean(
    tmp_path: Path, energy: str
) -> None:
    log = tmp_path / "emissions.csv"
    log.write_text(f"{_HEADER}\n{_ROWS[0].replace('0.042', energy)}\n")
    code, _, err = called("import", log, "--from", "codecarbon", "-o", tmp_path / "out")
    assert code == 2
    assert "cpu_energy" in err


def test_a_missing_reading_is_not_measured_and_not_zero(tmp_path: Path) -> None:
    paths = imported(tmp_path, _ROWS[0], _ROWS[1].replace(",0.11,", ",,"))
    files = appendix.site([(trace, Cost.of(trace)) for trace in map(Trace.open, paths)])
    rows = {row["group"]: row for row in csv.DictReader(io.StringIO(files["data/groups.csv"].decode()))}
    # Without its GPU all that is left of the second is modelled.
    assert rows["exp (modelled)"]["gpu_kwh_mean"] == ""
    assert rows["exp (measured and modelled)"]["gpu_kwh_n"] == "1"
