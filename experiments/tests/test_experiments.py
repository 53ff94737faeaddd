"""The paper's evaluation: verdicts follow from numbers, the table from results, and each script runs."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from pathlib import Path

import duckdb
import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from experiments import table  # noqa: E402
from experiments.paper import claim  # noqa: E402
from experiments.paper.accuracy.run import Epoch, halves  # noqa: E402
from experiments.paper.cost.run import verdict_of  # noqa: E402
from experiments.paper.flops.run import Network, families  # noqa: E402
from experiments.paper.known import FLOOR_W, QUIET_W, integrals  # noqa: E402
from experiments.paper.passes import kind  # noqa: E402
from experiments.paper.power.run import _covered  # noqa: E402
from experiments.paper.published import PUBLISHED  # noqa: E402
from experiments.paper.released import sweep  # noqa: E402
from experiments.paper.scale import SCALES  # noqa: E402
from experiments.paper.setting import Setting  # noqa: E402
from experiments.paper.thinning import thin  # noqa: E402


@pytest.mark.parametrize("about", ["energy", "method", "time"])
@pytest.mark.parametrize("holds", [True, False])
def test_measured_numbers_give_a_verdict_on_everything(about: str, holds: bool) -> None:
    expected = claim.HOLDS if holds else claim.DIFFERS
    assert claim.verdict(about, claim.MEASURED, holds) == expected


@pytest.mark.parametrize("holds", [True, False])
def test_modelled_power_gives_a_verdict_on_time_alone(holds: bool) -> None:
    found = {
        about: claim.Claim("c", "s", "p", about).found("h", claim.MODELLED, holds)
        for about in ("energy", "method", "time")
    }
    assert found["energy"].verdict == found["method"].verdict == claim.NOT_TESTABLE
    assert (found["time"].verdict, found["time"].basis) == (claim.HOLDS if holds else claim.DIFFERS, claim.MEASURED)


@pytest.mark.parametrize("basis", [claim.WAVEFORM, claim.POWERS])
def test_power_of_our_own_tests_the_method_and_not_who_spends(basis: str) -> None:
    assert claim.verdict("energy", basis, True) == claim.NOT_TESTABLE
    assert claim.verdict("method", basis, True) == claim.HOLDS


def test_what_has_no_number_is_not_testable() -> None:
    assert claim.verdict("time", claim.MEASURED, None) == claim.NOT_TESTABLE


def test_the_table_is_what_the_results_come_to() -> None:
    results = json.loads(table.RESULTS.read_text(encoding="utf-8"))
    page = table.README.read_text(encoding="utf-8")
    assert page == table.inserted(page, table.rendered(results)), "run `python -m experiments.table` or the experiments"
    rows = [line.split(" | ") for line in page.split(table.BEGIN)[1].split(table.END)[0].splitlines() if "|" in line]
    header, _, *rows = rows
    assert [cell.strip("| ") for cell in header] == ["claim", "command", "published", "here", "verdict"]
    assert {row[-1].removesuffix(" |") for row in rows} <= set(table.VERDICTS)
    assert {row["experiment"] for row in results["findings"]} == set(table.EXPERIMENTS)


def test_no_row_on_modelled_power_says_that_a_claim_about_energy_holds() -> None:
    results = json.loads(table.RESULTS.read_text(encoding="utf-8"))
    untested = [row for row in results["findings"] if row["about"] == "energy" and row["basis"] != claim.MEASURED]
    assert all(row["verdict"] == claim.NOT_TESTABLE for row in untested)


def test_rendering_replaces_the_table_and_nothing_else() -> None:
    page = f"before\n{table.BEGIN}\nold\n{table.END}\nafter\n"
    once = table.inserted(page, "new")
    assert once == table.inserted(once, "new") == f"before\n{table.BEGIN}\n\nnew\n\n{table.END}\nafter\n"


@pytest.mark.parametrize("name", table.EXPERIMENTS)
def test_each_experiment_has_a_page_and_a_command(name: str) -> None:
    folder = ROOT / "experiments" / "paper" / name
    assert f"experiments.paper.{name}.run" in (folder / "README.md").read_text()
    command = [sys.executable, "-m", f"experiments.paper.{name}.run", "--help"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "--scale {least,smoke,small,paper}" in done.stdout


def test_scales_grow_and_the_last_is_the_papers() -> None:
    assert list(SCALES) == ["least", "smoke", "small", "paper"]
    paper = SCALES["paper"]
    assert (paper.size.batch, paper.size.sequence, paper.steps, paper.runs, paper.experiments) == (32, 128, 500, 5, 10)
    for scale in SCALES.values():
        assert (scale.hidden[-1], scale.layers[-1]) == (scale.size.hidden, scale.size.layers), (
            "a variant is the default"
        )
        assert all(hidden % (scale.size.hidden // scale.size.heads) == 0 for hidden in scale.hidden), "heads are equal"


def test_a_setting_survives_its_json_and_names_what_differs() -> None:
    setting = SCALES["smoke"].default.of(layers=3)
    assert Setting.parse(setting.json()) == setting
    assert setting.name != SCALES["smoke"].default.name


def test_published_numbers_are_those_that_the_paper_prints() -> None:
    percent = PUBLISHED["edd_percent"]
    assert percent["bert/encoder/layer_0"]["attention"] == 40.68
    assert percent["gradients/bert/encoder/layer_0/attention"]["self"] == 79.52
    layers = [value for name, value in percent["bert/encoder"].items() if name.startswith("layer_")]
    assert np.std(layers) == pytest.approx(0.61, abs=0.01)
    assert all(len(rows) == 10 for tops in (PUBLISHED["top10_j"], PUBLISHED["top10_w"]) for rows in tops.values())
    assert len(PUBLISHED["stability"]) == 45
    assert len(PUBLISHED["variants_energy_med_j"]) == 28


def readings(*rows: tuple[str, int, int, float, float | None, list[str]]) -> duckdb.DuckDBPyRelation:
    connection = duckdb.connect()
    connection.sql(
        "create table readings (domain varchar, start_ns bigint, end_ns bigint, edge_uncertainty_ns bigint, "
        "read_start_ns bigint, read_end_ns bigint, energy_j double, app_share double, daemon_share double, "
        "idle_share double, flags varchar[], source varchar)"
    )
    for domain, start_ms, end_ms, energy_j, share, flags in rows:
        times = [start_ms * 10**6, end_ms * 10**6, 25, end_ms * 10**6, end_ms * 10**6]
        connection.execute(
            "insert into readings values (?, ?, ?, ?, ?, ?, ?, ?, 0, 0, ?, 'powercap')",
            [domain, *times, energy_j, share, flags],
        )
    return connection.table("readings")


def test_thinning_keeps_energy_and_makes_readings_as_long_as_the_period() -> None:
    every = readings(*(("package-0", 4 * n, 4 * n + 4, 1.0 + n, 0.5, []) for n in range(30)))
    for period_ms in (6, 12, 36):
        rows = thin(every, period_ms).fetchall()
        assert sum(row[6] for row in rows) == pytest.approx(sum(1.0 + n for n in range(30)), rel=1e-12)
        assert all(before[2] == after[1] for before, after in itertools.pairwise(rows)), "no holes"
        assert 120 / period_ms - 1 <= len(rows) <= 120 / period_ms + 1
    assert thin(every, 1).fetchall() == every.order("start_ns").fetchall()


def test_thinning_weighs_shares_by_energy_and_keeps_what_is_unknown() -> None:
    rows = thin(
        readings(("p", 0, 4, 1.0, 1.0, ["wrap"]), ("p", 4, 8, 3.0, 0.0, []), ("q", 0, 4, 1.0, None, []),
                 ("q", 4, 8, 1.0, 1.0, [])),
        8,
    ).fetchall()  # fmt: skip
    assert [(row[0], row[6], row[7], row[10]) for row in rows] == [("p", 4.0, 0.25, ["wrap"]), ("q", 2.0, None, [])]


def microjoules(events: list[tuple[str, int, int]], period_us: int = 2000) -> dict[str, float]:
    """Of the published sweep, at 1 W; microseconds."""
    ns = [(name, start * 1000, end * 1000) for name, start, end in events]
    return {name: joules * 1e6 for name, joules in sweep(ns, [(n * period_us * 1000, 1.0) for n in range(3)]).items()}


def test_the_published_sweep_is_reproduced_with_its_mistakes() -> None:
    assert microjoules([("A", 0, 10), ("B", 10, 20)])["A"] == pytest.approx(15.0)
    assert microjoules([("A", 0, 10), ("B", 1000, 1010)])["A"] == pytest.approx(1000.0)
    assert microjoules([("A", 0, 10), ("B", 1000, 1010)], 100)["A"] == pytest.approx(100.0)


def test_known_powers_leave_nothing_over() -> None:
    start, end = np.array([0, 500, 2000]), np.array([1000, 1000, 3000])
    own_w = np.array([10.0, 20.0, 30.0])
    at, energy_j, floor_j = integrals(start, end, own_w)
    spent = own_w * (end - start) * 1e-9 + np.interp(end, at, floor_j) - np.interp(start, at, floor_j)
    assert spent.sum() + QUIET_W * 1e-6 == pytest.approx(energy_j[-1], rel=1e-12)
    assert spent[1] == pytest.approx((20.0 + FLOOR_W / 2) * 5e-7, rel=1e-12)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("bert/encoder/transformer/output/dense/MatMul", "MatMul"),
        ("gradients/bert/encoder/transformer/output/dense/MatMul_grad/MatMul_1", "MatMul"),
        ("bert/encoder/transformer/einsum/Einsum", "Einsum"),
        ("x/unary_ops_composition", "unary_ops_composition"),
    ],
)
def test_a_tensors_name_tells_its_type(name: str, expected: str) -> None:
    assert kind(name) == expected


def test_covered_time_is_what_spans_and_cells_share() -> None:
    spans = np.array([[10, 20], [25, 45]])
    assert _covered(spans, np.array([0.0, 15.0, 30.0, 40.0, 60.0])).tolist() == [5.0, 10.0, 10.0, 5.0]


def test_halves_of_what_accuracy_took_are_found_between_epochs() -> None:
    epochs = [Epoch(0.1, 10.0, 1.0), Epoch(0.2, 20.0, 2.0), Epoch(0.5, 30.0, 3.0), Epoch(0.4, 99.0, 9.0)]
    assert halves(epochs, "energy_j") == pytest.approx((10 + 10 / 3, 10 - 10 / 3))
    assert halves([Epoch(0.5, 1.0, 1.0), Epoch(0.4, 2.0, 2.0)], "energy_j") is None
    assert halves([Epoch(0.1, 1.0, 1.0), Epoch(0.4, 2.0, 2.0)], "energy_j") is None, "even by assumption"
    assert halves([], "energy_j") is None


def test_a_cost_is_told_from_none_only_by_an_interval_that_is_narrow_enough() -> None:
    assert verdict_of(-0.5, 0.5) is True
    assert verdict_of(0.1, 9.0) is False
    assert verdict_of(-30.0, 10.0) is None


def test_networks_of_one_family_are_found_by_their_names() -> None:
    names = ("ResNet50", "ResNet101", "ResNet152", "EfficientNetB0", "VGG16", "VGG19", "MobileNetV2")
    found = families([Network(name, 1, 1.0, 1.0, 1.0) for name in names])
    assert {name: len(members) for name, members in found.items()} == {"ResNet": 3}


@pytest.mark.tensorflow
def test_every_experiment_runs_from_recording_to_findings(tmp_path: Path) -> None:
    pytest.importorskip("tensorflow")
    command = [sys.executable, "experiments/run.py", "--scale", "least", "--output", tmp_path, "--keep-table"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    results = table.collected(tmp_path, "least")
    assert {row["experiment"] for row in results["findings"]} == set(table.EXPERIMENTS)
    assert all(row["verdict"] in table.VERDICTS for row in results["findings"])
    assert len(table.rendered(results).splitlines()) > len(results["findings"])
    again = subprocess.run([*command, "--only", "stages,edd"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "run 0" not in again.stderr, "nothing was recorded twice"


def test_an_experiment_that_does_not_exist_is_named(tmp_path: Path) -> None:
    command = [sys.executable, "experiments/run.py", "--only", "stages,nonsense", "--output", tmp_path]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "there is no nonsense" in done.stderr
