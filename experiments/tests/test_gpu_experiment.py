"""The experiment on a real GPU: what is computed from readings; a part that fails loses nothing of the others."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from experiments.gpu.calls import matched, plain_name  # noqa: E402
from experiments.gpu.lateness import (  # noqa: E402
    busy_before,
    first_reads,
    lateness_of_energy,
    lateness_of_power,
    updates,
)
from experiments.gpu.table import error, report  # noqa: E402
from testbed.hardware import built  # noqa: E402

IDLE_W, BUSY_W = 70.0, 600.0


def load(turns: int = 16) -> np.ndarray:
    """When a load ran, each time and each pause a little longer than the one before."""
    busy, now_s = [], 1.0
    for turn in range(turns):
        length_s = 0.25 + 0.0137 * turn
        busy.append((now_s, now_s + length_s))
        now_s += length_s + 0.22 + 0.0071 * turn
    return np.array(busy)


def looked(busy: np.ndarray) -> np.ndarray:
    return np.arange(0.5, busy[-1, 1] + 0.5, 0.0011)


@pytest.mark.parametrize("lag_s", [0.0, 0.02, 0.11])
@pytest.mark.parametrize("refresh_s", [0.02, 0.1])
def test_a_counters_lateness_is_found_between_its_moves(lag_s: float, refresh_s: float) -> None:
    busy = load()
    times = looked(busy)
    # It shows at its last move what had been drawn `lag_s` before that.
    moved = np.floor(times / refresh_s) * refresh_s - lag_s
    energy = IDLE_W * moved + (BUSY_W - IDLE_W) * busy_before(moved, busy)
    found = lateness_of_energy(*first_reads(times, energy), busy)
    assert found.lag_s == pytest.approx(lag_s, abs=0.004)
    assert (found.low, found.high) == pytest.approx((IDLE_W, BUSY_W), rel=0.02)
    assert found.unexplained < 0.01
    between = updates(times, energy)
    assert between is not None
    assert between.p50_ms == pytest.approx(1e3 * refresh_s, abs=1.2)


@pytest.mark.parametrize("lag_s", [0.01, 0.06])
@pytest.mark.parametrize("width_s", [0.025, 0.1])
def test_a_powers_lateness_and_the_stretch_that_it_is_the_mean_of_are_found(lag_s: float, width_s: float) -> None:
    busy = load()
    times = looked(busy)
    ends = np.floor(times / 0.025) * 0.025 - lag_s
    power = IDLE_W + (BUSY_W - IDLE_W) * (busy_before(ends, busy) - busy_before(ends - width_s, busy)) / width_s
    found = lateness_of_power(*first_reads(times, power + 1e-6 * np.floor(times / 0.025)), busy)
    assert found.lag_s == pytest.approx(lag_s, abs=0.004)
    assert found.width_s == width_s


def test_a_register_that_stands_still_tells_no_period() -> None:
    assert updates(np.arange(10.0), np.full(10, 3.0)) is None


def test_calls_are_led_to_operations_in_order_and_what_only_one_list_has_is_left_out() -> None:
    calls = ["t", "addmm", "view", "gelu", "addmm", "attention", "sum"]
    operations = ["addmm", "gelu", "addmm", "memset", "attention"]
    assert matched(calls, operations) == [(1, 0), (3, 1), (4, 2), (5, 4)]
    assert matched([], operations) == matched(calls, []) == []
    # The most that can be, not the longest stretch first.
    assert matched(list("abcdxy"), list("axbycd")) in ([(0, 0), (1, 2), (2, 4), (3, 5)],)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("_scaled_dot_product_flash_attention", "_flash_attention_forward"),
        ("_scaled_dot_product_cudnn_attention_backward", "_cudnn_attention_backward"),
        ("_to_copy", "copy_"),
        ("zeros_like", "fill_"),
    ],
)
def test_an_operation_and_what_it_calls_to_do_its_work_have_one_name(one: str, other: str) -> None:
    assert plain_name(one) == plain_name(other)
    assert plain_name("addmm") == "addmm"


def test_an_error_is_relative_to_what_was_replayed() -> None:
    row = {"in_situ": {"equal": {"j": 0.3}}, "replayed": {"j": 0.2}}
    assert error(row, "equal") == pytest.approx(0.5)
    assert error(row, "deconvolved") is None
    assert error({"in_situ": {"equal": {"j": 0.3}}, "failed": "out of memory"}, "equal") is None


def test_a_part_that_fails_is_told_and_loses_nothing_of_what_was_done_before(tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    file.write_text(json.dumps({"cost": {"failed": "not done after 3 s", "said": ""}}))
    environment = {**os.environ, "SMARAGDINE_NVML_LIBRARY": str(built("fake-nvml", "libfake_nvml.so"))}
    # Nothing is trained where the trace to be replayed is missing.
    command = [sys.executable, "experiments/gpu/run.py", "--output", tmp_path, "--parts", "replay", "--scale", "0.1"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "## replay\nfailed: exit code 1" in done.stdout
    assert "## cost\nfailed: not done after 3 s" in done.stdout
    told = json.loads(file.read_text())
    assert told["machine"]["gpu"] == "NVIDIA Fake"
    assert set(told) == {"cost", "when", "machine", "replay"}


def test_a_part_that_does_not_exist_is_named(tmp_path: Path) -> None:
    command = [sys.executable, "experiments/gpu/run.py", "--output", tmp_path, "--parts", "registers; nonsense"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "there is no part nonsense" in done.stderr


def test_a_report_of_nothing_says_which_gpu_there_was_not() -> None:
    assert report({}).startswith("no GPU")
