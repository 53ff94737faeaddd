"""The leaderboard: who ranks where, by what, and who has no rank."""

from __future__ import annotations

import csv
import io
import json
import math
from pathlib import Path
from typing import Any

import pytest

from called import called
from smaragdine import SmaragdineError, Trace, figures
from smaragdine.accounts.alike import Alike
from smaragdine.carbon.cost import Cost, failure, titles
from smaragdine.carbon.leaderboard import Leaderboard
from smaragdine.carbon.logged import LAST, Metric, logged
from smaragdine.carbon.place import Place
from testbed import search, synthetic_trace


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SMARAGDINE_REGION", raising=False)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return search.write(tmp_path_factory.mktemp("search"))


def cost(path: Path, place: Place | None = None, **options: Any) -> Cost:
    return Cost.of(Trace.open(path), place, **options)


def run(directory: Path, accuracy: list[float], **options: Any) -> Path:
    logged = [{"accuracy": value} for value in accuracy]
    program = synthetic_trace.Program()
    program.op("net", "MatMul", 1.0)
    return synthetic_trace.write(directory, program, steps=len(logged), traced=(0,), logged=logged, **options)


def rows(*arguments: object) -> list[dict[str, Any]]:
    code, out, err = called("leaderboard", *arguments, "--format", "json")
    assert code == 0, err
    found: list[dict[str, Any]] = json.loads(out)["rows"]
    return found


def test_runs_rank_by_metric_beside_their_energy_carbon_and_time(tmp_path: Path) -> None:
    paths = [run(tmp_path / "a", [0.5, 0.9, 0.8]), run(tmp_path / "b", [0.95], power=2.0)]
    statements = [Trace.open(path).statement(Place("CA-QC")) for path in paths]
    found = rows(*paths, "--metric", "accuracy", "--region", "CA-QC")
    assert [row["name"] for row in found] == ["bert (b)", "bert (a)"]
    assert [row["rank"] for row in found] == [1, 2]
    assert [row["metric"] for row in found] == [0.95, 0.9]
    assert [row["energy_kwh"] for row in found] == pytest.approx([one.energy_kwh for one in statements[::-1]])
    assert [row["emissions_kg"] for row in found] == pytest.approx([one.kg for one in statements[::-1]])
    assert [row["metric_per_kwh"] for row in found] == pytest.approx(
        [0.95 / (statements[1].energy_kwh or 1), 0.9 / (statements[0].energy_kwh or 1)]
    )
    assert [row["duration_h"] for row in found] == pytest.approx([0.5 / 3600, 0.7 / 3600])
    assert rows(*paths, "--metric", "accuracy", "--at", "last")[1]["metric"] == 0.8
    assert [row["name"] for row in rows(*paths, "--metric", "accuracy", "--by", "time")] == ["bert (b)", "bert (a)"]
    assert rows(*paths, "--metric", "accuracy")[0]["emissions_kg"] is None


@pytest.mark.parametrize(
    ("name", "lower"),
    [
        ("loss", True), ("val_loss", True), ("perplexity", True), ("wer", True), ("answer", False),
        ("top1_error", True), ("rmse", True), ("accuracy", False), ("return", False), ("val_auc", False),
        ("terrorism_f1", False), ("FID", True), ("sparse_categorical_crossentropy", True), ("flower_accuracy", False),
    ],
)  # fmt: skip
def test_the_direction_is_guessed_by_the_name_and_said(name: str, lower: bool) -> None:
    metric = Metric.of(name)
    assert metric.lower is lower
    assert metric.words.endswith("by its name")
    assert Metric.of(name, not lower).words.endswith("as told")


def test_where_lower_is_better_the_least_ranks_first_and_nothing_is_told_per_kwh(runs: list[Path]) -> None:
    found = rows(*runs, "--metric", "loss")
    assert [row["metric"] for row in found] == sorted(row["metric"] for row in found)
    assert all(row["metric_per_kwh"] is None for row in found)
    turned = rows(*runs, "--metric", "loss", "--higher-is-better", "--at", "last")
    assert [row["metric"] for row in turned] == sorted((row["metric"] for row in turned), reverse=True)


def test_on_the_front_is_what_nothing_beats_in_metric_and_energy(runs: list[Path]) -> None:
    found = rows(*runs, "--metric", "accuracy")
    for one in found:
        beaten = any(
            other["metric"] >= one["metric"] and other["energy_kwh"] <= one["energy_kwh"] and other is not one
            for other in found
        )
        assert one["pareto"] is not beaten


def test_groups_rank_by_their_means_with_standard_errors_and_chance(runs: list[Path]) -> None:
    board = Leaderboard.of([cost(path) for path in runs], "accuracy", alike=Alike.by(["lr"]))
    assert [one.name for one in board] == ["lr 0.001", "lr 0.01", "lr 0.1"]
    assert all((one.metric.n, one.runs) == (4, 4) and one.energy_kwh.se for one in board)
    assert board.standings[0].apart is None
    code, out, _ = called("leaderboard", *runs, "--metric", "accuracy", "--group", "lr")
    assert code == 0
    assert "cannot be told apart, p = " in out.splitlines()[2]
    assert "differs, p " in out.splitlines()[3]
    assert "Welch" in out


def test_modelled_energy_has_a_front_of_its_own_and_says_so(tmp_path: Path) -> None:
    paths = [run(tmp_path / "a", [0.9], basis="modelled"), run(tmp_path / "b", [0.5], power=4.0)]
    code, out, _ = called("leaderboard", *paths, "--metric", "accuracy")
    assert code == 0
    assert out.startswith("no energy sensor was readable")
    assert "measured and modelled energies do not compare" in out
    assert [row["pareto"] for row in rows(*paths, "--metric", "accuracy")] == [True, True]
    drawn = figures.leaderboard(Leaderboard.of([cost(path) for path in paths], "accuracy"))
    assert {trace.name for trace in drawn.data} == {"on the front, measured", "on the front, modelled"}
    assert any("no energy sensor" in annotation.text for annotation in drawn.layout.annotations)


def unmeasured(directory: Path) -> Path:
    return run(directory, [0.99], overrides={"domains": [], "labels": {}})


def test_a_run_without_a_sensor_a_cut_one_and_one_without_the_metric_have_no_rank(tmp_path: Path) -> None:
    paths = [
        run(tmp_path / "whole", [0.5]),
        unmeasured(tmp_path / "blind"),
        run(tmp_path / "cut", [0.99], overrides={"state": "cut"}),
        run(tmp_path / "crashed", [0.99], overrides={"labels": {"status": "crashed"}}),
        synthetic_trace.short(tmp_path / "other"),
        run(tmp_path / "nan", [math.nan, math.nan]),
    ]
    found = {row["name"]: row for row in rows(*paths, "--metric", "accuracy")}
    assert [row["rank"] for row in found.values()] == [1, None, None, None, None, None]
    assert found["bert (blind)"]["left_out"] == "no energy was measured or modelled"
    assert found["bert (blind)"]["energy_kwh"] is None
    assert found["bert (cut)"]["left_out"].startswith("cut: 500 ms were recorded")
    assert found["bert (crashed)"]["left_out"] == "its label status says crashed"
    assert found["bert (other)"]["left_out"] == found["bert (nan)"]["left_out"] == "no accuracy that is a number"


def test_the_last_value_of_a_run_that_diverged_is_none(tmp_path: Path) -> None:
    trace = Trace.open(run(tmp_path / "a", [0.5, 0.9, math.nan]))
    assert [one.value for one in logged(trace, "accuracy")][:2] == [0.5, 0.9]
    best = Metric.of("accuracy").value(trace)
    assert best is not None and best.value == 0.9
    assert Metric.of("accuracy").value(trace, LAST) is None


@pytest.mark.parametrize(
    ("labels", "failed"),
    [
        ({"status": "failed"}, True), ({"state": "KILLED"}, True), ({"status": "complete"}, False),
        ({"exit_code": "137"}, True), ({"exit_code": "0"}, False), ({"failed": "true"}, True),
        ({"failed": "false"}, False), ({"verdict": "bad"}, True), ({"verdict": "good"}, False), ({}, False),
    ],
)  # fmt: skip
def test_labels_tell_which_runs_failed(tmp_path: Path, labels: dict[str, str], failed: bool) -> None:
    trace = Trace.open(run(tmp_path / "a", [0.5], overrides={"labels": labels}))
    assert (failure(trace, {"verdict": "bad"}) is not None) is failed


def test_runs_that_share_a_name_are_told_by_folder_and_number(tmp_path: Path) -> None:
    paths = [run(tmp_path / "x" / "a", [0.5]), run(tmp_path / "y" / "a", [0.5]), run(tmp_path / "b", [0.5])]
    assert titles([cost(path) for path in paths]) == ["bert (a) #1", "bert (a) #2", "bert (b)"]


def test_a_metric_that_nobody_logged_is_refused_with_what_was(runs: list[Path]) -> None:
    code, out, err = called("leaderboard", *runs, "--metric", "f1")
    assert (code, out) == (2, "")
    assert err == "error: no run logged a metric 'f1'\nhint: logged were: accuracy, loss\n"


def test_nothing_measured_at_all_ends_with_code_3(tmp_path: Path) -> None:
    code, _, err = called("leaderboard", unmeasured(tmp_path / "a"), "--metric", "accuracy")
    assert code == 3
    assert "no energy is known of any of the runs" in err


def test_a_run_that_is_named_twice_is_refused(runs: list[Path]) -> None:
    code, _, err = called("leaderboard", runs[0], runs[0] / "trace.json", "--metric", "loss")
    assert code == 2
    assert "is named twice" in err


def test_csv_guards_its_cells_and_html_escapes_hostile_names(tmp_path: Path) -> None:
    hostile = "<script>alert(1)</script>"
    paths = [run(tmp_path / "a", [0.5], name=hostile), run(tmp_path / "b", [0.6], name="=cmd()")]
    code, out, _ = called("leaderboard", *paths, "--metric", "accuracy", "--format", "csv")
    table = [line for line in out.splitlines() if not line.startswith("#")]
    assert [row["name"] for row in csv.DictReader(io.StringIO("\n".join(table)))] == ["'=cmd()", hostile]
    page = tmp_path / "board.html"
    code, _, _ = called("leaderboard", *paths, "--metric", "accuracy", "--format", "html", "-o", page)
    assert code == 0
    assert hostile not in page.read_text()
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page.read_text()
    again = tmp_path / "again.html"
    called("leaderboard", *paths, "--metric", "accuracy", "--format", "html", "-o", again)
    assert page.read_bytes() == again.read_bytes()


def test_pues_that_differ_are_told(tmp_path: Path) -> None:
    paths = [run(tmp_path / "a", [0.5], overrides={"labels": {"pue": "1.2"}}), run(tmp_path / "b", [0.6])]
    code, out, _ = called("leaderboard", *paths, "--metric", "accuracy")
    assert code == 0
    assert "energy with PUE 1, 1.2; rows of different PUEs do not compare" in out


def test_a_leaderboard_of_nothing_is_refused() -> None:
    with pytest.raises(SmaragdineError):
        Leaderboard.of([], "accuracy")
