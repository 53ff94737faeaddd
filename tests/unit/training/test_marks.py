"""Steps: each is sent once, in order of its metrics, whichever thread tells them and whatever is told."""

from __future__ import annotations

import threading

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from smaragdine.daemon.messages import Step
from smaragdine.training.steps import COMPILATIONS, StepMark, Steps, numbers


def run(steps: Steps, batch: int = 0, **what: int) -> None:
    steps.begin(StepMark(batch=batch, **what))
    mark = steps.stop()
    assert mark is not None
    steps.complete([mark])


def test_a_step_whose_metrics_are_known_is_sent_at_once() -> None:
    sent: list[Step] = []
    steps = Steps(sent.extend)
    steps.begin(StepMark(epoch=1, samples=8))
    mark = steps.stop()
    assert mark is not None
    mark.compilations = 2
    mark.log({"loss": np.float32(0.5), "name": "x", "nan": float("nan")})
    steps.complete([mark])
    (step,) = sent
    assert (step.step, step.epoch, step.samples) == (0, 1, 8)
    assert step.metrics == {"loss": 0.5, COMPILATIONS: 2.0}
    assert step.start_ns <= step.end_ns


@given(st.permutations(range(8)))
def test_every_step_is_sent_once_with_its_own_metrics_in_whatever_order_they_come(order: list[int]) -> None:
    sent: list[Step] = []
    steps = Steps(sent.extend)
    for batch in range(8):
        run(steps, batch)
    for batch in sorted(order[:5]):
        steps.logs(batch, {"batch": batch})
    steps.flush()
    assert sorted(step.step for step in sent) == list(range(8))
    assert {step.step for step in sent if step.metrics} == set(order[:5])
    assert all(step.metrics.get("batch", step.step) == step.step for step in sent)


def test_metrics_of_many_threads_lose_no_step() -> None:
    sent: list[Step] = []
    steps = Steps(sent.extend)
    for batch in range(200):
        run(steps, batch)
    threads = [
        threading.Thread(target=lambda first=first: [steps.logs(b, {"b": b}) for b in range(first, 200, 4)])
        for first in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    steps.flush()
    assert sorted(step.step for step in sent) == list(range(200))


def test_steps_whose_metrics_never_come_do_not_pile_up() -> None:
    sent: list[Step] = []
    steps = Steps(sent.extend)
    for batch in range(1000):
        run(steps, batch)
    assert len(sent) >= 1000 - 256
    assert [step.step for step in sent] == list(range(len(sent)))


def test_the_step_that_broke_off_is_none() -> None:
    sent: list[Step] = []
    steps = Steps(sent.extend)
    run(steps)
    steps.begin(StepMark())
    steps.flush(whole=False)
    assert [step.step for step in sent] == [0]


def test_a_number_that_is_given_is_the_next_ones_ground() -> None:
    steps = Steps(lambda step: None)
    marks = [StepMark(5), StepMark(), StepMark(2), StepMark()]
    for mark in marks:
        steps.number(mark)
    assert [mark.step for mark in marks] == [5, 6, 2, 3]


def test_what_is_no_number_is_not_kept() -> None:
    assert numbers({"a": 1, "b": "2.5", "c": None, "d": [1], "e": float("inf"), 3: True}) == {"a": 1, "b": 2.5, "3": 1}
