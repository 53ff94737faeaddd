"""The overhead experiment's figures, from durations whose answer is known, and its smallest cells for real."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from experiments.overhead.meter import CpuTime  # noqa: E402
from experiments.overhead.slowdown import alternating, own_cost, paired_ratio  # noqa: E402

seconds = st.floats(0.01, 10)


def test_own_cost_is_own_time_and_the_excess_of_traced_steps() -> None:
    cost = own_cost([1.0, 1.0, 1.5, 1.0], [False, False, True, False], [0.0, 0.1, 0.0, 0.0])
    assert cost.excess_s == 0.5
    assert cost.own_s == 0.1
    assert cost.fraction == pytest.approx(0.6 / 4.5, rel=1e-12)
    assert cost.traced_share == 0.25


def test_steps_during_which_a_profiler_is_stopped_are_part_of_its_cost() -> None:
    steps, traced, stopping = [1.0, 1.5, 1.25, 1.0], [False, True, False, False], [False, False, True, False]
    assert own_cost(steps, traced, [0.0] * 4, stopping).excess_s == 0.75
    assert own_cost(steps, traced, [0.0] * 4, stopping).traced == 1


def test_a_machine_that_slows_down_adds_no_excess() -> None:
    steps = [1.0] * 20 + [2.0] * 20
    traced = [number in (5, 35) for number in range(40)]
    assert own_cost(steps, traced, [0.0] * 40).excess_s == 0.0


def test_own_cost_needs_an_untraced_step() -> None:
    with pytest.raises(ValueError, match="every step was traced"):
        own_cost([1.0], [True], [0.0])


def test_durations_that_do_not_belong_together_are_refused() -> None:
    with pytest.raises(ValueError, match="do not belong together"):
        own_cost([1.0, 2.0], [False], [0.0])


@given(st.lists(seconds, min_size=2, max_size=30), st.floats(0.5, 2))
def test_a_constant_factor_is_found_exactly_whatever_the_machine_does(off: list[float], factor: float) -> None:
    ratio = paired_ratio([factor * s for s in off], off)
    assert ratio.ratio == pytest.approx(factor, rel=1e-12)
    assert ratio.low == pytest.approx(factor, rel=1e-12)
    assert ratio.high == pytest.approx(factor, rel=1e-12)
    assert ratio.median == pytest.approx(factor, rel=1e-12)


@given(st.lists(st.tuples(seconds, seconds), min_size=2, max_size=30))
def test_the_interval_is_in_order(pairs: list[tuple[float, float]]) -> None:
    ratio = paired_ratio([on for on, _ in pairs], [off for _, off in pairs])
    assert ratio.low <= ratio.high


def test_the_cost_of_a_rare_window_is_seen() -> None:
    off = [1.0] * 40
    on = [1.2 if block % 10 == 0 else 1.0 for block in range(40)]
    ratio = paired_ratio(on, off)
    assert ratio.ratio == pytest.approx(1.02, rel=1e-12)
    assert ratio.median == 1.0


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    random = np.random.default_rng(7)
    covered = 0
    for case in range(200):
        speed = random.uniform(0.8, 1.6, 40)
        ratio = paired_ratio(1.01 * speed * random.normal(1, 0.03, 40), speed * random.normal(1, 0.03, 40), seed=case)
        covered += ratio.low <= 1.01 <= ratio.high
    # A bootstrap over 40 pairs covers a little less than 95 %; three standard deviations of 200 cases are 4.6 %.
    assert 0.88 <= covered / 200 <= 1.0


def test_fewer_than_two_pairs_are_refused() -> None:
    with pytest.raises(ValueError, match="not two pairs"):
        paired_ratio([1.0], [1.0])


@given(st.integers(1, 100))
def test_blocks_alternate_in_pairs_so_that_a_drift_favours_neither(pairs: int) -> None:
    order = alternating(pairs)
    assert len(order) == 2 * pairs
    assert all(order[i] != order[i + 1] for i in range(0, len(order), 2))
    assert all(order[i] == order[i + 1] for i in range(1, len(order) - 1, 2))


def test_a_short_training_pays_for_starting_and_finishing_once() -> None:
    cpu = CpuTime(wall_s=100, client_fixed_s=0.1, client_running_s=1.0, daemon_running_s=0, daemon_accounting_s=0)
    assert cpu.client_s(20) == pytest.approx(0.3, rel=1e-12)


@pytest.mark.tensorflow
def test_both_ways_of_recording_are_measured() -> None:
    pytest.importorskip("tensorflow")
    command = [sys.executable, ROOT / "experiments/overhead/run.py", "--models", "mlp", "--json"]
    command += ["--minutes", "0.03", "--blocks", "2", "--block-seconds", "0.1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert [cell["how"] for cell in told["cells"]] == ["callback", "hook"]
    for cell in told["cells"]:
        assert cell["own"]["steps"] > cell["own"]["traced"] > 0, cell
        assert cell["own"]["own_s"] > 0, cell
        assert cell["paired"]["pairs"] == 2, cell
        assert cell["cpu"]["daemon_running_s"] > 0, cell
        assert cell["cpu"]["client_running_s"] > 0, cell
    assert set(told["import_s"]) == {"smaragdine", "smaragdine.keras"}
