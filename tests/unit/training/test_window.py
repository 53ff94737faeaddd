"""Windows open as often as their cost allows; the clock is the test's."""

from __future__ import annotations

import pytest

from smaragdine.errors import SmaragdineError
from smaragdine.training.window import COST, WARM_UP_STEPS, Auto, Windows


class Training:
    """A training of equal steps whose profiler costs what the test says."""

    def __init__(self, *, step_s: float = 0.3, window: int | Auto = "auto", every: int | Auto = "auto") -> None:
        self.now = 100.0
        self.step_s = step_s
        self.start_s, self.stop_s, self.excess_s, self.ship_s = 0.001, 0.1, 0.0, 0.05
        self.windows = Windows(window, every, now=lambda: self.now)
        self.traced: list[int] = []
        self.opened: list[int] = []

    def run(self, steps: int) -> Training:
        for step in range(steps):
            if self.windows.wants_close():
                self.windows.closed()
                self.windows.stopped(self.stop_s)
                self.windows.shipped(self.ship_s)
                self.now += self.stop_s
            if self.windows.wants_open():
                self.windows.opened(self.start_s)
                self.now += self.start_s
                self.opened.append(step)
            seconds = self.step_s + (self.excess_s if self.windows.open else 0)
            if self.windows.open:
                self.traced.append(step)
            self.now += seconds
            self.windows.stepped(seconds)
        return self


def test_the_first_window_opens_once_the_steps_are_warm() -> None:
    assert Training(window=2).run(10).traced[:2] == [WARM_UP_STEPS, WARM_UP_STEPS + 1]


@pytest.mark.parametrize(("stop_s", "excess_s", "ship_s"), [(0.1, 0, 0), (0, 0.1, 0), (0, 0, 0.1), (0.5, 0.2, 0.3)])
def test_whatever_windows_cost_takes_all_of_one_percent_of_the_training_and_no_more(
    stop_s: float, excess_s: float, ship_s: float
) -> None:
    training = Training(window=2)
    training.stop_s, training.excess_s, training.ship_s = stop_s, excess_s, ship_s
    training.run(4000)
    of_one_window = training.start_s + stop_s + 2 * excess_s + ship_s
    assert training.windows.spent_s == pytest.approx(len(training.opened) * of_one_window, rel=0.01)
    earned_s = COST * (training.now - 100.0)
    assert training.windows.spent_s <= earned_s
    # A window opens where a step begins, and the first steps earn nothing.
    assert training.windows.spent_s >= earned_s - of_one_window - COST * 4 * training.step_s


def test_what_telling_of_steps_takes_is_no_longer_there_for_windows() -> None:
    silent, told = Training(window=2), Training(window=2)
    silent.run(4000)
    for _ in range(4000):
        told.run(1)
        told.windows.told(0.4 * COST * told.step_s)
    # To within one window.
    assert len(told.opened) == pytest.approx(0.6 * len(silent.opened), abs=1)


@pytest.mark.parametrize(("step_s", "window"), [(0.04, "auto"), (0.3, "auto"), (0.04, 3)])
def test_a_dearer_window_is_saved_up_for_and_keeps_the_budget(step_s: float, window: int | Auto) -> None:
    training = Training(step_s=step_s, window=window)
    training.stop_s, training.ship_s = 0.05, 0.0
    while not training.windows._closed:
        training.run(1)
    training.windows.expect(3.0)
    of_a_step = training.windows.spent_s / len(training.traced)
    before, steps = training.windows.spent_s, window if isinstance(window, int) else 2
    while len(training.opened) < 2:
        training.run(1)
    assert COST * (training.now - 100.0) >= before + 3 * steps * of_a_step
    assert training.windows._size == steps
    training.windows.expect(1.0)
    assert len(training.run(20_000).opened) > 3


def test_a_cheap_profiler_traces_more() -> None:
    dear, cheap = Training(), Training()
    cheap.stop_s = cheap.ship_s = 0.001
    # As many as are traced at most.
    assert len(cheap.run(2000).traced) == pytest.approx(200, abs=2)
    assert len(dear.run(2000).traced) < 80


def test_windows_that_cost_nothing_trace_a_tenth_of_a_long_training_and_more_of_a_short_one() -> None:
    training = Training(step_s=0.01)
    training.start_s = training.stop_s = training.ship_s = 0.0
    assert len(training.run(150).traced) >= 100
    # To within one window.
    assert len(training.run(20_000).traced) == pytest.approx(2_015, abs=20)
    every = Training(step_s=0.01, window=1, every=2)
    every.start_s = every.stop_s = every.ship_s = 0.0
    assert len(every.run(2_000).traced) == pytest.approx(1_000, abs=2)


def test_no_window_opens_while_the_last_is_still_shipped() -> None:
    now = 100.0
    windows = Windows(1, now=lambda: now)
    for _ in range(WARM_UP_STEPS):
        windows.stepped(1.0)
    windows.opened(0.001)
    windows.stepped(1.0)
    windows.closed()
    windows.stopped(0.001)
    now += 1e6
    assert not windows.wants_open()
    windows.shipped(0.001)
    assert windows.wants_open()


def test_steps_during_which_a_profiler_is_stopped_say_nothing_of_how_long_steps_take() -> None:
    now = 100.0
    windows = Windows(1, now=lambda: now)

    def window(traced_s: float) -> float:
        before = windows.spent_s
        windows.opened(0.0)
        windows.stepped(traced_s)
        windows.closed()
        return windows.spent_s - before

    for _ in range(4):
        windows.stepped(1.0)
    assert window(1.5) == 0.5
    windows.stopping()
    for _ in range(40):
        windows.stepped(9.0)
    # In binary, as all seconds here: sums are exact.
    windows.stopped(0.125)
    windows.stepped(9.0)
    windows.shipped(0.0)
    for _ in range(3):
        windows.stepped(1.0)
    assert window(1.5) == 0.5


def test_a_profiler_that_is_stopped_beside_the_training_costs_what_its_steps_are_slower_by() -> None:
    windows = Windows(1, now=lambda: 100.0)
    for _ in range(4):
        windows.stepped(1.0)
    windows.opened(0.0)
    windows.stepped(1.0)
    windows.closed()
    windows.stopping()
    windows.stepped(1.25)
    windows.stopped(1.0, meanwhile=True)
    # It began while the profiler was being stopped.
    windows.stepped(1.5)
    assert windows.spent_s == 0.75
    windows.stepped(9.0)
    assert windows.spent_s == 0.75


def test_a_number_opens_a_window_every_so_many_steps() -> None:
    training = Training(window=2, every=10).run(50)
    assert training.opened == [2, 12, 22, 32, 42]
    assert len(training.traced) == 10


def test_an_automatic_window_is_longer_where_steps_are_short() -> None:
    assert len(Training(step_s=0.5, every=1000).run(900).traced) == 2
    assert len(Training(step_s=0.002, every=1000).run(900).traced) == 100


def test_a_profiler_that_does_not_start_is_asked_again_later_and_not_at_every_step() -> None:
    windows = Windows(now=lambda: 0.0)
    asked = []
    for step in range(500):
        if windows.wants_open():
            asked.append(step)
            windows.refused()
        windows.stepped(0.1)
    assert asked[:6] == [2, 4, 8, 16, 32, 64]
    assert asked[6:] == list(range(114, 500, 50))


@pytest.mark.parametrize("options", [{"window": 0}, {"every": -1}, {"every": "often"}, {"window": 5, "every": 2}])
def test_windows_that_make_no_sense_are_refused(options: dict[str, int]) -> None:
    with pytest.raises(SmaragdineError) as raised:
        Windows(**options)
    assert raised.value.hint
