"""A loop of PyTorch's while it is recorded, down to what the daemon is told."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from conftest import Told

import smaragdine
from fake_torch import Kineto, fake_torch, settle
from smaragdine.frameworks.torch.tracer import TorchTracer
from smaragdine.recording import ending
from smaragdine.recording.channel import Channel
from smaragdine.recording.recorder import Recorder
from smaragdine.training.tracer import RefusedError
from smaragdine.training.training import Training
from smaragdine.training.window import Windows

__all__ = ["fake_torch"]

Fake = tuple[Any, Kineto]


def steps_of(told: Told) -> list[dict[str, Any]]:
    return told.all("step")


def test_each_step_of_the_first_optimizer_is_one_of_the_loop(told: Told, tmp_path: Path, fake_torch: Fake) -> None:
    torch, kineto = fake_torch
    model, first, second = torch.nn.Module(), torch.optim.Optimizer(), torch.optim.Optimizer()
    with smaragdine.record(tmp_path / "out", model=model, window=2, every=4):
        for _ in range(8):
            settle()
            model()
            first.step()
            second.step()
    steps = steps_of(told)
    assert [int(step.get("step", 0)) for step in steps] == list(range(8))
    assert [bool(step.get("traced")) for step in steps] == [False, False, True, True, False, False, True, True]
    # The whole of the model, and two calls.
    assert [len(marks) for marks in kineto.saved] == [3, 3]
    assert set(kineto.started_on + kineto.stopped_on) == {threading.get_ident()}
    assert torch.hooks == {}


@pytest.mark.parametrize("cut", [False, True])
def test_one_window_after_the_first_asks_for_shapes(told: Told, tmp_path: Path, fake_torch: Fake, cut: bool) -> None:
    torch, kineto = fake_torch
    recorder = Recorder.start(tmp_path / "out")
    ours = TorchTracer(recorder.channel, torch, [])
    training = Training(recorder, Windows(1, 2), ours)
    training.ended = True
    told_before = []
    for step in range(10):
        training.step_begins()
        settle()
        told_before.append(ours.dearer)
        if cut and step == 4:
            # Another thread has stopped ours: nothing is saved, and the next window tells.
            ours._profiler._running = kineto.running = False
        training.step_ended(logs={})
    recorder.finish()
    assert kineto.shapes == ([False, True, True, False] if cut else [False, True, False, False])
    assert told_before == [1.0] * 3 + [3.0] * (4 if cut else 2) + [1.0] * (3 if cut else 5)


def test_steps_that_the_loop_marks_are_the_only_ones(told: Told, tmp_path: Path, fake_torch: Fake) -> None:
    torch, _ = fake_torch
    optimizer = torch.optim.Optimizer()
    with smaragdine.record(tmp_path / "out", model=torch.nn.Module()) as recording:
        for _ in range(3):
            with recording.step(samples=4, tokens=64):
                settle()
                optimizer.step()
    steps = steps_of(told)
    assert [(int(step.get("step", 0)), int(step["samples"]), step["metrics"]) for step in steps] == [
        (number, 4, {"tokens": 64.0}) for number in range(3)
    ]


def tracer(fake: Fake, tmp_path: Path) -> tuple[TorchTracer, Recorder]:
    recorder = Recorder.start(tmp_path / "out")
    return TorchTracer(recorder.channel, fake[0], [fake[0].nn.Module()]), recorder


def finished(tracer: TorchTracer, recorder: Recorder) -> None:
    tracer.conclude()
    recorder.finish()


def test_beside_another_profiler_no_window_opens(told: Told, tmp_path: Path, fake_torch: Fake) -> None:
    torch, kineto = fake_torch
    ours, recorder = tracer(fake_torch, tmp_path)
    kineto.running = True
    with pytest.raises(RefusedError, match="another profiler"):
        ours.open()
    kineto.running = False
    theirs = torch.autograd.profiler.profile()
    theirs._prepare_trace()
    with pytest.raises(RefusedError, match="until that one ends"):
        ours.open()
    theirs.kineto_results = object()
    assert ours.open()
    closed = ours.close()
    assert closed.stop is not None
    closed.stop()
    finished(ours, recorder)
    assert torch.autograd.profiler.profile._prepare_trace.__name__ == "_prepare_trace"


def test_a_profiler_of_the_users_that_starts_within_a_window_goes_first(
    told: Told, tmp_path: Path, fake_torch: Fake
) -> None:
    torch, kineto = fake_torch
    recorder = Recorder.start(tmp_path / "out")
    ours = TorchTracer(recorder.channel, torch, [])
    training = Training(recorder, Windows(2, 4), ours)
    training.ended = True
    for step in range(4):
        training.step_begins()
        settle()
        if step == 3:
            torch.autograd.profiler.profile()._prepare_trace()
            assert not kineto.running
        training.step_ended(logs={})
    recorder.finish()
    assert [bool(step.get("traced")) for step in steps_of(told)] == [False, False, True, False]


def test_a_profiler_that_does_not_start_is_told_and_costs_nothing(told: Told, tmp_path: Path, fake_torch: Fake) -> None:
    ours, recorder = tracer(fake_torch, tmp_path)
    fake_torch[1].fails = True
    with pytest.raises(RefusedError, match="PyTorch's profiler did not start"):
        ours.open()
    fake_torch[1].fails = False
    finished(ours, recorder)


def test_no_window_opens_while_something_compiles_and_one_that_is_open_marks_no_more(
    told: Told, tmp_path: Path, fake_torch: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch, _ = fake_torch
    calls: dict[str, Any] = {}
    dynamo: Any = ModuleType("torch._dynamo.callback")
    dynamo.callback_handler = type(
        "Handler",
        (),
        {
            "register_start_callback": lambda self, call: calls.update(start=call),
            "register_end_callback": lambda self, call: calls.update(end=call),
            "remove_start_callback": lambda self, call: calls.pop("start"),
            "remove_end_callback": lambda self, call: calls.pop("end"),
        },
    )()
    monkeypatch.setitem(sys.modules, "torch._dynamo.callback", dynamo)
    ours, recorder = tracer(fake_torch, tmp_path)
    assert ours.open()
    original = ours._marks._original
    calls["start"]()
    assert torch.nn.Module.__call__ is original
    with pytest.raises(RefusedError, match="compiled"):
        ours.open()
    calls["end"]()
    assert ours.compilations(0) == 1
    # What follows in the same window is marked again.
    assert torch.nn.Module.__call__ is not original
    assert ours.compilations(0) == 0
    closed = ours.close()
    assert closed.stop is not None
    closed.stop()
    finished(ours, recorder)
    assert calls == {}


def test_a_signal_handler_stops_no_profiler(
    told: Told, tmp_path: Path, fake_torch: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch, kineto = fake_torch
    recorder = Recorder.start(tmp_path / "out")
    ours = TorchTracer(recorder.channel, torch, [])
    training = Training(recorder, Windows(2, 2), ours)
    training.ended = True
    for _ in range(2):
        training.step_begins()
        training.step_ended(logs={})
    training.step_begins()
    assert kineto.running
    monkeypatch.setattr(ending, "_terminate", lambda: None)
    monkeypatch.setattr(ending, "_TERMINATED", False)
    ending.on_sigterm(15, None)
    assert kineto.stopped_on == []
    assert recorder.state == "complete"
    kineto.running = False


@pytest.mark.parametrize(("version", "own"), [("3.1.0a0+git", "3.1"), ("2.3.1+cu121", "2.3"), ("2.16.0", "2.16")])
def test_a_version_that_nobody_tried_is_measured_and_told_once(
    told: Told, tmp_path: Path, fake_torch: Fake, caplog: pytest.LogCaptureFixture, version: str, own: str
) -> None:
    torch, kineto = fake_torch
    torch.__version__ = version
    with smaragdine.record(tmp_path / "out", model=torch.nn.Module(), window=1, every=1) as recording:
        for _ in range(12):
            with recording.step():
                settle()
    assert [bool(step.get("traced")) for step in steps_of(told)] == [False] * 12
    assert kineto.started_on == []
    told_once = f"PyTorch {own} is not one of those that were tried (2.4 to 2.15): energy is measured, but not broken"
    assert caplog.text.count(told_once) == 1


def test_nothing_of_pytorch_is_imported(told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    with smaragdine.record(tmp_path / "out") as recording, recording.step():
        pass
    assert "torch" not in sys.modules
    assert isinstance(recording.channel, Channel)
