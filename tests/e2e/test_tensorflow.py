"""EnergyHook under real sessions in graph mode, which it neither fails nor changes."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from conftest import Told

from smaragdine.errors import SmaragdineError

tf = pytest.importorskip("tensorflow")
pytestmark = pytest.mark.tensorflow

from smaragdine.tensorflow import EnergyHook  # noqa: E402

RUN_METADATA, GRAPH = 2, 3
v1 = tf.compat.v1


def train(hook: Any, steps: int = 20, fail_at: int | None = None) -> list[float]:
    losses = []
    with tf.Graph().as_default():
        v1.set_random_seed(1)
        with v1.variable_scope("net/dense"):
            kernel = v1.get_variable("kernel", [4, 1])
        loss = tf.reduce_mean(tf.matmul(tf.ones([8, 4]), kernel) ** 2)
        train_op = v1.train.GradientDescentOptimizer(0.01).minimize(loss)
        with v1.train.MonitoredTrainingSession(hooks=[hook] if hook else []) as session:
            for step in range(steps):
                if step == fail_at:
                    raise ValueError("bad data")
                losses.append(float(session.run([loss, train_op])[0]))
    return losses


def state(output: Path) -> str:
    return str(json.loads((output / "trace.json").read_text())["state"])


def test_a_session_arrives_with_steps_run_metadata_and_its_graph(told: Told, tmp_path: Path) -> None:
    hook = EnergyHook(tmp_path / "out", window=2, every=8, samples=8)
    train(hook)
    assert hook.path == tmp_path / "out"
    assert state(tmp_path / "out") == "complete"
    steps = told.all("step")
    assert [int(step.get("step", 0)) for step in steps] == list(range(20))
    assert [int(step["step"]) for step in steps if step.get("traced")] == [2, 3, 10, 11, 18, 19]
    assert {step["samples"] for step in steps} == {"8"}
    formats = [one["format"] for one in told.all("profile")]
    assert formats.count(RUN_METADATA) == 7, "six traced steps, and the graphs that ran"
    assert [step["step"] for step in steps[1:] if "metrics" in step] == []
    assert steps[0]["metrics"] == {"compilations": 1.0}
    assert formats.count(GRAPH) == 1
    assert told.all("model")[0] == {"kind": "model", "name": "net", "variables": ["net/dense/kernel"]}
    assert told.all("start")[0]["name"] == "net"
    assert told.all("note") == []


def test_the_hook_changes_no_result_of_the_training(told: Told, tmp_path: Path) -> None:
    assert train(None) == train(EnergyHook(tmp_path / "out", window=1, every=2))


def test_a_session_that_raises_keeps_its_error_and_its_trace(told: Told, tmp_path: Path) -> None:
    hook = EnergyHook(tmp_path / "out", window=50, every=50)
    with pytest.raises(ValueError, match="bad data"):
        train(hook, fail_at=10)
    deadline = time.monotonic() + 30
    while state(tmp_path / "out") != "complete":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert len(told.all("step")) == 10
    assert [one["format"] for one in told.all("profile")].count(RUN_METADATA) == 9, "eight whole steps, and the graphs"
    assert "ended early" in told.all("note")[0]["text"]


def test_a_daemon_that_dies_ends_no_session(told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_FAULT", "die")
    assert len(train(EnergyHook(tmp_path / "out"))) == 20
    assert state(tmp_path / "out") == "recording"


def test_nonsense_is_refused_before_the_session(told: Told, tmp_path: Path) -> None:
    with pytest.raises(SmaragdineError):
        EnergyHook(tmp_path / "out", every=0)


def test_whatever_breaks_within_a_step_of_ours_the_session_goes_on(
    told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("ours, not the user's")

    monkeypatch.setattr("smaragdine.training.training.Steps.begin", broken)
    assert len(train(EnergyHook(tmp_path / "out"), steps=5)) == 5
    assert state(tmp_path / "out") == "complete"
    assert caplog.text.count("recording ends here") == 1
