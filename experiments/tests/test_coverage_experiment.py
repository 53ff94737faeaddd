"""The coverage table: what it counts, what it calls met, and one cell for real."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import duckdb
import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from experiments.coverage.run import MODELS, MODES, Cell, details, entry, senseless, table  # noqa: E402
from experiments.coverage.score import Score, score  # noqa: E402


class Told:
    """A trace of operations as (layer, phase, milliseconds), one event each; `wait` as a phase is a wait."""

    def __init__(self, *ops: tuple[str, str, int]) -> None:
        self.connection = duckdb.connect()
        self.connection.sql(
            "create table ops (op int, qtn text, raw_name text, type text, layer text, phase text);"
            "create table events (op int, kind text, start_ns bigint, end_ns bigint)"
        )
        for op, (layer, phase, ms) in enumerate(ops):
            kind = "wait" if phase == "wait" else "compute"
            self.connection.execute("insert into ops values (?, ?, ?, 'T', ?, ?)", [op, "q", "r", layer, phase])
            self.connection.execute("insert into events values (?, ?, 0, ?)", [op, kind, ms * 1_000_000])

    @property
    def steps(self) -> list[Any]:
        return []

    @property
    def metadata(self) -> Any:
        return type("Metadata", (), {"hidden_operations": ("a", "b")})()

    def sql(self, query: str) -> duckdb.DuckDBPyRelation:
        return self.connection.sql(query)


def scored(*ops: tuple[str, str, int]) -> Score:
    return score(Told(*ops), {"net", "net/a"})  # type: ignore[arg-type]


def test_time_in_the_models_layers_is_own_and_what_has_a_place_elsewhere_is_neither_way() -> None:
    passes = [("net/a", "forward", 30), ("net/a", "backward", 60), ("net/b", "forward", 10)]
    elsewhere = [("loss", "forward", 50), ("metrics", "other", 50), ("data", "other", 50), ("net/a", "optimizer", 50)]
    assert scored(*passes).own == scored(*passes, *elsewhere).own == pytest.approx(0.9, rel=1e-12)
    assert scored(*passes, *elsewhere).own_forward == pytest.approx(0.75, rel=1e-12)


@pytest.mark.parametrize("nowhere", [("unknown", "other", 100), ("runtime", "other", 100), ("Add_1", "forward", 100)])
def test_time_without_a_layer_counts_against_the_share_whatever_pass_it_claims(nowhere: tuple[str, str, int]) -> None:
    assert scored(("net", "forward", 300), nowhere).own == pytest.approx(0.75, rel=1e-12)
    assert [op.time_s for op in scored(("net", "forward", 300), nowhere).unplaced] == [0.1]


def test_backward_time_without_a_layer_is_told_apart_from_forward() -> None:
    got = scored(("net", "forward", 100), ("unknown", "backward", 300))
    assert (got.own, got.own_forward, got.nowhere) == (pytest.approx(0.25), 1.0, pytest.approx(0.75))


def test_time_in_the_model_itself_is_told_apart_from_its_layers() -> None:
    assert scored(("net", "forward", 100), ("net/a", "backward", 300)).outermost == pytest.approx(0.25)


def test_waiting_is_no_operation_time() -> None:
    assert scored(("net", "forward", 100), ("unknown", "wait", 900)).time_s == 0.1


def test_a_trace_without_events_has_no_share() -> None:
    got = scored()
    assert (got.own, got.own_forward, got.outermost, got.nowhere, got.hidden) == (None, None, None, None, 2)


def cell(**figures: Any) -> Cell:
    shares = {"own": 1.0, "own_forward": 1.0, "own_backward": 1.0, "outermost": 0.0, "nowhere": 0.0, "told": 1.0}
    perfect = Score(8, 4, time_s=1.0, **shares, qtns=9, hidden=0, unplaced=())
    return {"model": "bert", "mode": "fit", **asdict(perfect), **figures}


@pytest.mark.parametrize(
    ("mode", "figures"),
    [
        ("fit", {"own": 0.969}),
        ("fit", {"nowhere": 0.031}),
        ("xla", {"own": 0.929}),
        ("eager", {"own_forward": 0.949}),
        ("fit", {"own": None}),
    ],
)
def test_a_cell_below_its_goal_is_not_met_and_marked(mode: str, figures: Cell) -> None:
    assert MODES[mode].met(cell())
    assert not MODES[mode].met(cell(**figures))
    assert entry(mode, cell(**figures)).endswith(" !")
    assert not entry(mode, cell()).endswith("!")


def test_a_cell_that_failed_is_not_met_and_says_why() -> None:
    failed = {"model": "bert", "mode": "fit", "error": "ValueError: no"}
    assert not MODES["fit"].met(failed)
    assert table({("bert", "fit"): failed}, ["bert"], ["fit"]).split() == ["fit", "bert", "failed"]
    assert details(failed, 0) == "bert fit: ValueError: no"


def test_the_table_knows_every_model_and_mode() -> None:
    pytest.importorskip("tensorflow")
    from experiments.coverage import models, modes

    assert set(MODELS) == set(models.SUBJECTS)
    assert set(MODES) == set(modes.MODES)
    assert not any(senseless("bert", mode) for mode in MODES)


@pytest.mark.tensorflow
def test_one_cell_is_recorded_and_scored(tmp_path: Path) -> None:
    pytest.importorskip("tensorflow")
    command = [sys.executable, ROOT / "experiments/coverage/run.py", "--models", "twins", "--modes", "fit"]
    done = subprocess.run([*command, "--results", tmp_path, "--details"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "twins fit: own" in done.stdout
    assert "in 4 of 8 steps" in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["twins-fit.json"], "the trace is gone, the result is kept"
    again = subprocess.run([*command, "--results", tmp_path], capture_output=True, text=True, check=False)
    assert (again.returncode, again.stderr) == (0, ""), "nothing was measured twice"


@pytest.mark.parametrize(
    ("way", "below"),
    [("eager", {"own_forward": 0.96}), ("autocast", {"own_backward": 0.94}), ("compile", {"own": 0.92})],
)
def test_a_cell_of_pytorchs_has_the_goals_of_its_way(way: str, below: Cell) -> None:
    from experiments.coverage.in_torch.run import entry, met

    perfect = {**cell(), "way": way}
    assert met(perfect)
    assert not met({**perfect, **below})
    assert not met({**perfect, "told": 0.96})
    assert not met({"way": way, "error": "no"})
    # Where a region is compiled, its insides are one layer.
    assert met({**perfect, "own_forward": 0.5}) is (way == "compile")
    assert entry({**perfect, **below}).endswith(" !")
