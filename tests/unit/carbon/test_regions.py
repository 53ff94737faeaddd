"""Cleaner places for a job, and the guess before it runs."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from called import called
from smaragdine.carbon.estimate import THIRD, Estimate
from smaragdine.carbon.hardware import Hardware
from smaragdine.carbon.lookup import default
from smaragdine.carbon.ranking import elsewhere, rank
from testbed import synthetic_trace


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SMARAGDINE_REGION", raising=False)


def as_json(*arguments: object) -> dict[str, Any]:
    code, out, err = called(*arguments, "--format", "json")
    assert code == 0, err
    content: dict[str, Any] = json.loads(out)
    return content


def test_estonia_stands_beside_oil_shale_and_quebec_beside_hydropower() -> None:
    ranked = rank(default(), "lifecycle", year=2019, names=["Estonia", "Québec"])
    order = [one.name for one in ranked]
    assert order.index("Estonia") + 1 == order.index("oil shale")
    assert order.index("Québec") - 1 == order.index("hydropower")
    estonia, quebec = (next(one for one in ranked if one.name == name) for name in ("Estonia", "Québec"))
    assert estonia.mostly == "oil shale (55% in 2023)" and quebec.mostly == "hydropower (92% in 2023)"
    assert quebec.nearest == "hydropower"
    assert "experiment-impact-tracker" in estonia.intensity.source


def test_today_estonia_has_moved_and_the_row_says_so() -> None:
    (estonia,) = (one for one in rank(default(), "lifecycle", names=["EST"]) if one.place == "EST")
    assert (estonia.intensity.year, estonia.g_per_kwh) == (2025, 243.0)
    assert estonia.low_g_per_kwh < estonia.high_g_per_kwh == 416.7


@pytest.mark.parametrize("scope", ["lifecycle", "direct"])
def test_a_ranking_holds_one_scope_in_order_and_tells_what_it_leaves_out(scope: str) -> None:
    ranked = rank(default(), scope)
    assert {one.intensity.scope for one in ranked} == {scope}
    values = [one.g_per_kwh for one in ranked]
    assert values == sorted(values)
    places = sum(one.kind != "generation" for one in ranked)
    assert places + elsewhere(default(), scope) == len(default().places)
    assert any(one.kind == "generation" for one in ranked) == (scope == "lifecycle")


def test_the_job_is_told_in_grams_of_every_place(tmp_path: Path) -> None:
    bert = synthetic_trace.write(tmp_path / "bert", overrides={"labels": {"region": "POL"}})
    content = as_json("regions", bert, "--kind", "cloud")
    assert content["region"] == "POL"
    kinds = {row["kind"] for row in content["rows"]}
    assert kinds == {"cloud", "generation", "country"}  # Poland is there to compare with
    for row in content["rows"]:
        assert row["emissions_g"] == pytest.approx(content["energy_kwh"] * row["g_per_kwh"])
        assert row["source"] and row["year"] and row["licence"]


def test_a_table_shows_the_cleanest_the_methods_and_where_the_job_runs() -> None:
    code, out, _ = called("regions", "--energy-kwh", "20", "--region", "gcp:us-east4", "--kind", "cloud", "--top", "3")
    assert code == 0
    assert "aws:eu-north-1" in out and "(here)" in out and "[hydropower]" in out and "more; --all" in out
    code, out, _ = called("regions", "--scope", "direct", "--region", "DEU", "--top", "2")
    assert code == 0 and "Germany (DEU) has no direct figure" in out


def test_csv_has_every_place_with_its_source() -> None:
    code, out, _ = called("regions", "--format", "csv")
    assert code == 0
    rows = list(csv.DictReader(io.StringIO("\n".join(line for line in out.splitlines() if not line.startswith("# ")))))
    assert len(rows) > 400 and all(row["source"] for row in rows)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("regions", "--only", "Estnia"), "nearest: EST (Estonia)"),
        (("regions", "/nonexistent", "--energy-kwh", "3"), "the job is given twice"),
        (("estimate", "--hardware", "H2000", "--hours", "1"), "no table knows the hardware"),
        (("estimate", "--hardware", "A100", "--hours", "1"), "several parts are called"),
        (("estimate", "--hardware", "H200", "--hours", "-1"), "is no amount"),
        (("estimate", "--hardware", "H200", "--hours", "1", "--utilisation", "80"), "no fraction from 0 to 1"),
    ],
)
def test_what_makes_no_sense_is_refused_in_words(arguments: tuple[str, ...], says: str) -> None:
    code, out, err = called(*arguments)
    assert (code, out) == (2, "")
    assert says in err and "Traceback" not in err


def test_a_guess_is_design_power_times_hours_and_says_that_it_is_one() -> None:
    content = as_json("estimate", "--hardware", "2xH200", "--hardware", "board=100", "--hours", "10", "--pue", "1.5",
                      "--region", "FRA")  # fmt: skip
    assert content["energy_high_kwh"] == pytest.approx(1.5 * (2 * 0.7 + 0.1) * 10)
    assert content["energy_low_kwh"] == pytest.approx(content["energy_high_kwh"] / 3)
    assert content["guess"].startswith("a guess, no measurement")
    assert content["emissions_low_kg"] < content["emissions_high_kg"]
    code, out, _ = called("estimate", "--hardware", "H200", "--hours", "10")
    assert code == 0 and "a guess, no measurement" in out and "no region is told" in out


def test_a_told_utilisation_makes_one_number() -> None:
    estimate = Estimate((Hardware("board", "gpu", 250.0, 1, "as told"),), 4.0, 0.5)
    assert estimate.low_kwh == estimate.high_kwh == pytest.approx(0.5)
    assert Estimate(estimate.hardware, 4.0).low_kwh == pytest.approx(THIRD)
