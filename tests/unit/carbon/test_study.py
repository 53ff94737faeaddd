"""A study: its total, the shares of runs and of failed ones, E × D × H, and what it took to reach a value."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from called import called
from smaragdine import SmaragdineError, Study, Trace
from smaragdine.carbon.place import Place
from smaragdine.carbon.reach import parse
from testbed import synthetic_trace
from testbed.synthetic_trace import MS, STEP_NS


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SMARAGDINE_REGION", raising=False)


def run(directory: Path, accuracy: list[float], **options: Any) -> Path:
    """A run of 100 ms steps, with 200 ms before and after them, that logs an accuracy in each."""
    program = synthetic_trace.Program()
    program.op("net", "MatMul", 1.0)
    logged = [{"accuracy": value} for value in accuracy]
    return synthetic_trace.write(directory, program, steps=len(logged), traced=(0,), logged=logged, **options)


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    """One that reaches 0.9 in its third step, one that never does, and one of twice the power that was cut."""
    return [
        run(tmp_path / "a", [0.5, 0.8, 0.92, 0.95], overrides={"labels": {"lr": "0.1"}}),
        run(tmp_path / "b", [0.5, 0.6, 0.7, 0.7], overrides={"labels": {"lr": "0.1"}}),
        run(tmp_path / "c", [0.5, 0.6], power=2.0, overrides={"state": "cut", "labels": {"lr": "0.2"}}),
    ]


def opened(paths: list[Path]) -> list[Trace]:
    return [Trace.open(path) for path in paths]


def content(*arguments: object) -> dict[str, Any]:
    code, out, err = called("study", *arguments, "--format", "json")
    assert code == 0, err
    found: dict[str, Any] = json.loads(out)["studies"][0]
    return found


def test_a_study_sums_all_its_runs_failed_ones_included(paths: list[Path]) -> None:
    place = Place("CA-QC", pue=1.2)
    study = Study.of(opened(paths), place)
    statements = [trace.statement(place) for trace in opened(paths)]
    assert study.energy_kwh == pytest.approx(sum(one.energy_kwh or 0 for one in statements))
    assert study.kg == pytest.approx(sum(one.kg or 0 for one in statements))
    assert sum(study.share(cost) or 0 for cost in study) == pytest.approx(1.0)
    assert [cost.run.path.name for cost in study.failed] == ["c"]
    assert study.failed_share == pytest.approx((statements[2].energy_kwh or 0) / study.energy_kwh)
    assert study.energy.measured_j * 1.2 / 3.6e6 == pytest.approx(study.energy_kwh)


def test_its_cost_is_example_times_data_times_hyperparameters(paths: list[Path]) -> None:
    study = Study.of(opened(paths))
    product = study.product
    assert product is not None
    assert (product.unit, product.runs, product.of, product.examples) == ("sample", 3, 2, 4 * 8)
    whole = [cost.energy_kwh or 0 for cost in study if not cost.failed]
    assert product.example_kwh == pytest.approx(sum(whole) / 2 / 32)
    assert product.kwh == pytest.approx(3 * sum(whole) / 2)
    told = content(*paths)["product"]
    assert told["energy_kwh"] == pytest.approx(product.kwh)
    assert told["total_share"] == pytest.approx(study.energy_kwh / product.kwh)


def test_where_runs_count_nothing_a_run_is_the_example(tmp_path: Path) -> None:
    trace = Trace.open(
        synthetic_trace.write(tmp_path / "a", synthetic_trace.Program(), steps=0, traced=(), logged=[{}])
    )
    product = Study.of([trace, trace]).product
    assert product is not None
    assert (product.unit, product.examples, product.runs, product.epochs) == ("run", 1.0, 2, None)


def drawn_share(trace: Trace, step: int) -> float:
    """Of the application's energy up to the end of a step, reading by reading."""
    end_ns = synthetic_trace.START_NS + (step + 1) * STEP_NS
    until = whole = 0.0
    for readings in trace.readings.values():
        for start, end, energy_j in zip(readings.start_ns, readings.end_ns, readings.energy_j, strict=True):
            whole += energy_j
            until += energy_j * min(1.0, max(0.0, (end_ns - start) / (end - start)))
    return until / whole


def test_what_it_took_to_reach_a_value_is_told_in_joules_and_grams(paths: list[Path]) -> None:
    place = Place("CA-QC")
    study = Study.of(opened(paths), place)
    reach = study.reach("accuracy", 0.9)
    first, never, cut = reach.runs
    share = drawn_share(Trace.open(paths[0]), 2)
    assert 0.5 < share < 0.9
    assert first.at is not None and first.at.step == 2
    assert first.energy_kwh == pytest.approx(share * (study.costs[0].energy_kwh or 0), rel=1e-6)
    assert first.kg == pytest.approx((first.energy_kwh or 0) * place.intensity.g_per_kwh / 1000)
    assert first.hours == pytest.approx((200 * MS + 3 * STEP_NS) / 3.6e12)
    assert (never.at, never.words, cut.energy_kwh) == (None, "never reached", None)
    assert reach.count == 1
    assert reach.energy_kwh.se is None
    # All began together: the others had drawn theirs by then, the cut one all of it.
    assert reach.first_kwh == pytest.approx(
        (first.energy_kwh or 0) * 2 + sum(cost.energy_kwh or 0 for cost in study.costs[2:]), rel=0.05
    )
    assert reach.each_kwh == pytest.approx(study.energy_kwh)
    row = content(*paths, "--reach", "accuracy=0.9", "--region", "CA-QC")["rows"][0]
    assert row["reach_j"] == pytest.approx(3.6e6 * (first.energy_kwh or 0))
    assert row["reach_g"] == pytest.approx(1000 * (first.kg or 0))


def test_a_value_that_no_run_reached_is_said_to_be_never_reached(paths: list[Path]) -> None:
    code, out, _ = called("study", *paths, "--reach", "accuracy=0.99")
    assert code == 0
    assert "accuracy ≥ 0.99: never reached, by no run" in out
    assert content(*paths, "--reach", "accuracy=0.99")["reach"]["first_kwh"] is None


def test_lower_values_are_reached_from_above(paths: list[Path]) -> None:
    told = content(*paths, "--reach", "accuracy=0.65", "--lower-is-better")["reach"]
    assert (told["reached_by"], told["lower_is_better"]) == (3, True)
    assert [row["step"] for row in content(*paths, "--reach", "accuracy=0.65")["rows"]] == [1, 2, None]


def test_a_run_whose_energy_is_not_known_is_in_no_sum_and_said(tmp_path: Path, paths: list[Path]) -> None:
    blind = run(tmp_path / "blind", [0.95], overrides={"domains": [], "state": "cut"})
    told = content(*paths, blind, "--reach", "accuracy=0.9")
    assert told["not_measured"] == 1
    assert told["energy_kwh"] == pytest.approx(content(*paths)["energy_kwh"])
    assert told["rows"][3]["energy_kwh"] is told["rows"][3]["share"] is told["rows"][3]["reach_j"] is None
    # What all had taken cannot be told where one is not known; nor what failed ones took.
    assert told["failed_share"] is told["reach"]["first_kwh"] is told["reach"]["for_each_kwh"] is None
    code, out, _ = called("study", *paths, blind)
    assert code == 0
    assert "of 1 of 4 runs no energy is known: they are in no sum, and not 0" in out
    code, _, err = called("study", blind)
    assert (code, "no energy is known of any run" in err) == (3, True)


def test_each_value_of_a_label_is_a_study_of_its_own(paths: list[Path]) -> None:
    code, out, _ = called("study", *paths, "--group", "lr", "--format", "json")
    assert code == 0
    studies = json.loads(out)["studies"]
    assert [(one["name"], one["runs"], one["failed"]) for one in studies] == [("lr 0.1", 2, 0), ("lr 0.2", 1, 1)]
    # No run finished: there is no E and no D.
    assert studies[1]["product"] is None
    assert studies[1]["failed_share"] == pytest.approx(1.0)


def test_modelled_energy_is_marked_and_grams_are_told_only_of_all(tmp_path: Path) -> None:
    paths = [
        run(tmp_path / "a", [0.5], basis="modelled"),
        run(tmp_path / "b", [0.5], overrides={"labels": {"region": "CA-QC"}}),
    ]
    told = content(*paths)
    assert told["notices"][0].startswith("no energy sensor was readable")
    assert 0 < told["modelled_kwh"] < told["energy_kwh"]
    assert told["emissions_kg"] is None
    code, out, _ = called("study", *paths)
    assert code == 0
    assert out.splitlines()[1].startswith("no energy sensor was readable")
    assert "modelled with PUE 1; CO2e is not told: the place of some runs is not known" in out


@pytest.mark.parametrize("text", ["accuracy", "accuracy=", "=0.9", "accuracy=high", "accuracy=nan", "accuracy=inf"])
def test_a_value_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(SmaragdineError, match="is no value to reach"):
        parse(text)


def test_a_study_of_no_run_is_refused() -> None:
    with pytest.raises(SmaragdineError, match="needs a run"):
        Study.of([])
