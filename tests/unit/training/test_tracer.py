"""The seam for frameworks: a tracer of a framework of this file's own goes through the life that TensorFlow's does."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Told, state

from abacus import Abacus
from smaragdine.recording.recorder import Recorder
from smaragdine.training.training import Training
from smaragdine.training.window import Windows


@pytest.fixture
def recorder(told: Told, tmp_path: Path) -> Recorder:
    return Recorder.start(tmp_path / "out")


def train(training: Training, abacus: Abacus, steps: int, *, batches: Callable[[int], int] = lambda step: step) -> None:
    for step in range(steps):
        training.step_begins(batches(step), samples=4)
        abacus.count(step)
        training.step_ended(batches(step), {"loss": 1 / (1 + step)})


def test_steps_are_numbered_and_those_of_a_window_are_traced_and_shipped(
    told: Told, recorder: Recorder, tmp_path: Path
) -> None:
    abacus = Abacus(recorder.channel)
    training = Training(recorder, Windows(2, 3), abacus)
    train(training, abacus, 9)
    training.ended = True
    recorder.finish()
    steps = told.all("step")
    assert [int(step.get("step", 0)) for step in steps] == list(range(9))
    # After two steps to warm up, two of every three.
    assert [bool(step.get("traced")) for step in steps] == [False, False, True, True, False] + [True, True, False, True]
    assert {step["samples"] for step in steps} == {"4"}
    assert steps[1]["metrics"] == {"loss": 0.5}
    assert steps[0]["metrics"] == {"loss": 1.0, "compilations": 1.0}
    assert [profile["size"] for profile in told.all("profile")] == [2, 2, 1]
    assert state(tmp_path / "out") == "complete"


def test_what_the_program_is_made_of_is_told_once_before_the_first_window_and_the_rest_at_the_end(
    told: Told, recorder: Recorder
) -> None:
    abacus = Abacus(recorder.channel)
    training = Training(recorder, Windows(1, 2), abacus)
    train(training, abacus, 6)
    training.ended = True
    recorder.finish()
    assert abacus.calls[:3] == ["first step", "describe", "open"]
    assert abacus.calls.count("describe") == 1
    kinds = [one["kind"] for one in told.all() if one["kind"] in ("model", "profile", "note")]
    assert (kinds[0], kinds[-1]) == ("model", "note")
    assert told.all("model")[0]["name"] == "abacus"


def test_a_training_without_a_step_tells_nothing_of_its_program(told: Told, recorder: Recorder) -> None:
    abacus = Abacus(recorder.channel)
    Training(recorder, Windows(), abacus).ended = True
    recorder.finish()
    assert abacus.calls == ["describe"]
    assert not told.all("model") + told.all("note") + told.all("step")


def test_what_starting_and_stopping_takes_is_told_as_profiling(told: Told, recorder: Recorder) -> None:
    abacus = Abacus(recorder.channel)
    abacus.takes_s = 0.02
    training = Training(recorder, Windows(1, 100), abacus)
    train(training, abacus, 4)
    training.pause()
    training.ended = True
    recorder.finish()
    spans = [(int(span["start_ns"]), int(span["end_ns"])) for span in told.all("profiling")]
    # What the first step showed, what the program is, the window's opening, its closing.
    assert len(spans) == 4
    assert all(start <= end for start, end in spans)


def test_a_window_is_stopped_beside_the_training_where_steps_go_on_and_before_a_pause_ends(
    told: Told, recorder: Recorder
) -> None:
    abacus = Abacus(recorder.channel)
    training = Training(recorder, Windows(1, 1), abacus)
    train(training, abacus, 1)
    training.step_begins(1)
    training.pause()
    assert len(abacus.stopped_on) == 2
    assert abacus.stopped_on[0] == "smaragdine-stopper"
    recorder.finish()


def test_a_pause_ends_the_step_that_runs_and_the_window_with_it(told: Told, recorder: Recorder) -> None:
    abacus = Abacus(recorder.channel)
    training = Training(recorder, Windows(5, 5), abacus)
    train(training, abacus, 3)
    training.step_begins(3)
    training.pause()
    assert not training.traced
    assert abacus.stopped_on == ["MainThread"]
    training.ended = True
    recorder.finish()
    assert [int(step.get("step", 0)) for step in told.all("step")] == [0, 1, 2, 3]


def test_a_tracer_that_refuses_is_asked_later_and_its_reason_is_told_once(
    told: Told, recorder: Recorder, caplog: pytest.LogCaptureFixture
) -> None:
    abacus = Abacus(recorder.channel, refuses=2)
    training = Training(recorder, Windows(1, 1), abacus)
    train(training, abacus, 10)
    training.ended = True
    recorder.finish()
    assert caplog.text.count("another abacus is in use") == 1
    traced = [int(step.get("step", 0)) for step in told.all("step") if step.get("traced")]
    # After two steps, then after four.
    assert traced == [6, 7, 8, 9]


def test_a_tracer_that_breaks_ends_the_recording_and_never_the_training(
    told: Told, recorder: Recorder, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    abacus = Abacus(recorder.channel)
    training = Training(recorder, Windows(1, 1), abacus)
    abacus.open = lambda: 1 / 0
    train(training, abacus, 3)
    assert "recording ends here" in caplog.text
    assert state(tmp_path / "out") == "complete"


def test_a_training_that_breaks_off_says_so_and_its_last_step_is_none(
    told: Told, recorder: Recorder, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    abacus = Abacus(recorder.channel)
    running = [True]
    training = Training(recorder, Windows(1, 1), abacus, under_way=lambda: running[0])
    train(training, abacus, 2)
    training.step_begins(2)
    running[0] = False
    deadline = time.monotonic() + 20
    while recorder.state != "complete":
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert [int(step.get("step", 0)) for step in told.all("step")] == [0, 1]
    assert any("ended early" in note["text"] for note in told.all("note"))
    assert "ended early" in caplog.text


def test_metrics_that_come_late_and_from_another_thread_find_their_step(told: Told, recorder: Recorder) -> None:
    training = Training(recorder, Windows(), None)
    for step in range(3):
        training.step_begins(step)
    logs = threading.Thread(target=lambda: [training.step_ended(step, {"loss": float(step)}) for step in range(3)])
    logs.start()
    logs.join()
    training.ended = True
    recorder.finish()
    assert [step["metrics"]["loss"] for step in told.all("step")] == [0.0, 1.0, 2.0]


def test_code_that_encloses_its_steps_goes_through_the_same_windows(told: Told, recorder: Recorder) -> None:
    abacus = Abacus(recorder.channel)
    training = Training(recorder, Windows(1, 2), abacus)
    training.ended = True
    for step in range(6):
        with training.step(10 + step, samples=2) as mark:
            abacus.count(step)
            mark.metrics["loss"] = 0.5
            with training.step():  # within another, it is only marked
                pass
    with pytest.raises(KeyError), training.step():
        raise KeyError
    recorder.finish()
    outer = [step for step in told.all("step") if "samples" in step]
    assert [int(step["step"]) for step in outer] == [10, 11, 12, 13, 14, 15]
    assert [bool(step.get("traced")) for step in outer] == [False, False, True, False, True, False]
    assert len(told.all("step")) == 12
    assert [profile["size"] for profile in told.all("profile")] == [1, 1]
