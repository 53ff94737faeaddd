"""Steps between windows are told together, and nothing of them is lost or taken for another's."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from conftest import Told

from abacus import Abacus
from smaragdine.daemon.messages import Event
from smaragdine.frameworks.record import Recording
from smaragdine.training.training import Training
from smaragdine.training.window import Windows


@pytest.fixture
def recording(told: Told, tmp_path: Path) -> Recording:
    return Recording.start(tmp_path / "out")


def calm(recording: Recording, *, compiles: tuple[int, ...] = (1,)) -> Training:
    """A training that has had its first window, and whose next one is far off."""
    training = recording.trace(Windows(1))
    abacus = Abacus(recording.channel, compiles=compiles)
    abacus.takes_s = 0.05
    training.trace(abacus)
    for _ in range(4):
        with recording.step():
            pass
    # The profiler is stopped in the background.
    training._tracing._wait()  # type: ignore[union-attr]
    while not training._calm.until_ns:
        with recording.step():
            pass
    return training


def numbers(told: Told) -> list[int]:
    return [int(step.get("step", 0)) for step in told.all("step")]


def test_every_step_is_told_once_and_in_order_with_what_its_program_says_of_it(
    told: Told, recording: Recording
) -> None:
    calm(recording)
    first = recording._training._steps.next  # type: ignore[union-attr]
    for number in range(200):
        with recording.step(samples=number) as mark:
            if number % 3 == 0:
                mark.metrics["tokens"] = number
    recording.finish()
    assert numbers(told) == list(range(first + 200))
    steps = told.all("step")[first:]
    assert [int(step.get("samples", 0)) for step in steps] == list(range(200))
    assert [step.get("metrics", {}).get("tokens") for step in steps[:6]] == [0.0, None, None, 3.0, None, None]
    assert all(int(a["end_ns"]) <= int(b["start_ns"]) for a, b in pairwise(steps))


def test_a_step_that_compiled_is_the_one_that_says_so(told: Told, recording: Recording) -> None:
    training = calm(recording, compiles=())
    first = training._steps.next
    tracer = training._tracing._tracer  # type: ignore[union-attr]
    tracer.compiles = [0, 0, 2, 0]  # type: ignore[attr-defined]
    for _ in range(4):
        with recording.step():
            pass
    recording.finish()
    told_of = [step.get("metrics", {}).get("compilations") for step in told.all("step")[first : first + 4]]
    assert told_of == [None, None, 2.0, None]


def test_where_compilations_are_heard_of_nobody_asks_and_the_step_within_which_one_was_says_so(
    told: Told, recording: Recording
) -> None:
    training = calm(recording, compiles=())
    abacus = training._tracing._tracer  # type: ignore[union-attr]
    abacus.on_compilation = None  # type: ignore[attr-defined]
    training.trace(abacus)
    first, asked = training._steps.next, list[int]()
    compiled = [0]
    training._compilations = lambda batch: (asked.append(batch), compiled.pop() if compiled else 0)[1]
    while not training._calm.until_ns:
        with recording.step():
            pass
    before, asked[:] = training._steps.next, []
    for number in range(4):
        with recording.step():
            if number == 2:
                assert not asked
                compiled.append(3)
                abacus.on_compilation()  # type: ignore[attr-defined]
    recording.finish()
    told_of = [step.get("metrics", {}).get("compilations") for step in told.all("step")[before:]]
    assert told_of == [None, None, 3.0, None]
    assert numbers(told)[first:] == list(range(first, before + 4))


def test_code_that_raises_is_no_step_and_takes_no_other_with_it(told: Told, recording: Recording) -> None:
    training = calm(recording)
    first = training._steps.next
    with recording.step():
        pass
    with pytest.raises(ValueError, match="broken"), recording.step():
        raise ValueError("broken")
    with recording.step():
        pass
    recording.finish()
    assert numbers(told)[first:] == [first, first + 2]


def test_a_step_whose_program_sends_events_is_traced_and_so_is_none_before(told: Told, recording: Recording) -> None:
    training = calm(recording)
    first = training._steps.next
    for number in range(3):
        with recording.step():
            if number == 1:
                recording.events([Event("op", "CPU:0", 1, 2)])
    recording.finish()
    assert [bool(step.get("traced")) for step in told.all("step")[first:]] == [False, True, False]


def test_a_step_within_another_is_told_and_the_outer_one_after_it(told: Told, recording: Recording) -> None:
    training = calm(recording)
    first = training._steps.next
    with recording.step(), recording.step():
        pass
    recording.finish()
    assert sorted(numbers(told)[first:]) == [first, first + 1]


def test_what_a_hook_logs_for_a_step_is_what_it_was_when_the_step_ended(told: Told, recording: Recording) -> None:
    training = calm(recording)
    first = training._steps.next
    logs = {"loss": 1.0}
    for number in range(5):
        training.step_begins(number)
        logs["loss"] = float(number)
        training.step_ended(number, logs)
    recording.finish()
    assert [step["metrics"]["loss"] for step in told.all("step")[first:]] == [0.0, 1.0, 2.0, 3.0, 4.0]


def test_a_tracer_that_raises_ends_the_recording_and_not_the_training(told: Told, recording: Recording) -> None:
    training = calm(recording)
    first = training._steps.next

    def broken(batch: int) -> int:
        raise RuntimeError("no such counter")

    training._calm.polled = broken
    for _ in range(3):
        with recording.step():
            pass
    assert recording.state != "recording"
    assert numbers(told)[first:] == [first]
