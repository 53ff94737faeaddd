"""Joules per step of what a meter knows: training alone, nothing twice, and never a share that nobody knows."""

from __future__ import annotations

import math
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from smaragdine.accounts.domain import Domain
from smaragdine.daemon.client import Live
from smaragdine.recording.meter import Meter
from smaragdine.training.spending import Spending
from smaragdine.training.steps import StepMark

S = 1_000_000_000
PACKAGE, GPU = Domain("package-0", "CPU:0"), Domain("gpu-0", "GPU:0")
MODEL = Domain("model-0", "CPU:0", basis="modelled")
# What trace time is ahead.
AHEAD = 1_000 * S


class World:
    """Told to a meter as a daemon would, second by second, up to `until_s`."""

    def __init__(self, power: Callable[[float], float], *domains: Domain, share: float | None = 0.5) -> None:
        self.meter = Meter(None, "r", 0)
        self._power, self._domains, self._share = power, domains or (PACKAGE,), share
        self._energy_j = self._until_s = 0.0
        self.unknown_j = 0.0

    def until(self, until_s: float) -> None:
        while self._until_s < until_s - 1e-9:
            self._energy_j += 0.1 * self._power(self._until_s + 0.05)
            if self._share is None:
                self.unknown_j = self._energy_j
            self._until_s += 0.1
            self._tell()

    def _tell(self) -> None:
        def each(value: float) -> dict[str, float]:
            return {domain.name: value for domain in self._domains}

        known = self._energy_j - self.unknown_j
        end_ns = AHEAD + round(self._until_s * S)
        app = each(known * (self._share or 0.0))
        self.meter._take(
            Live(end_ns, {}, {}, end_ns, each(self._energy_j), app, each(self.unknown_j), self._domains, AHEAD)
        )


def steps(spending: Spending, from_s: float, to_s: float, count: int, samples: int = 8) -> None:
    length = (to_s - from_s) / count
    for n in range(count):
        mark = StepMark(n, samples=samples, start_ns=round((from_s + n * length) * S))
        mark.end_ns = round((from_s + (n + 1) * length) * S)
        spending.stepped([mark])


def test_validation_is_no_training_and_its_energy_in_no_step() -> None:
    # Validation, from second 2 to 4, draws ten times as much.
    world = World(lambda at_s: 1000.0 if 2 < at_s < 4 else 100.0)
    spending = Spending(world.meter)
    steps(spending, 0, 2, 20)
    spending.pause()
    world.until(4)
    told = spending.tell(0)
    assert told == {
        "energy_j_per_step": pytest.approx(5.0),
        "energy_j_per_sample": pytest.approx(5.0 / 8),
        "energy_j": pytest.approx(1100.0),
    }
    steps(spending, 4, 6, 10)
    world.until(6)
    assert spending.tell(1)["energy_j_per_step"] == pytest.approx(10.0)
    assert [(row.epoch, round(row.values["energy_j_per_step"])) for row in spending.rows] == [(0, 5), (1, 10)]


def test_what_the_daemon_does_not_know_yet_is_told_with_the_next_epoch_and_nothing_twice() -> None:
    world = World(lambda at_s: 100.0 if at_s < 1.9 else 300.0)
    spending = Spending(world.meter)
    steps(spending, 0, 2, 20)
    world.until(1.9)
    assert spending.tell(0)["energy_j_per_step"] == pytest.approx(5.0)
    spending.pause()
    steps(spending, 2, 4, 20)
    world.until(4)
    # Of the first epoch one step, and twenty of the second.
    assert spending.tell(1)["energy_j_per_step"] == pytest.approx(15.0)


def test_an_epoch_of_which_nothing_is_known_yet_has_no_value_of_another() -> None:
    world = World(lambda at_s: 100.0)
    spending = Spending(world.meter)
    steps(spending, 0, 1, 10)
    world.until(1)
    spending.tell(0)
    steps(spending, 1.01, 1.02, 1)
    told = spending.tell(1)
    assert math.isnan(told["energy_j_per_step"])
    assert told["energy_j"] == pytest.approx(50.0)
    # Its energy comes with the next one's.
    steps(spending, 1.02, 2, 98)
    world.until(2)
    assert spending.tell(2)["energy_j_per_step"] == pytest.approx(0.5)


def test_an_unknown_share_is_never_taken_for_the_application() -> None:
    world = World(lambda at_s: 100.0, share=None)
    spending = Spending(world.meter)
    steps(spending, 0, 1, 10)
    world.until(1)
    assert spending.tell() == {
        "machine_energy_j_per_step": pytest.approx(10.0),
        "machine_energy_j_per_sample": pytest.approx(10.0 / 8),
        "machine_energy_j": pytest.approx(100.0),
    }


def test_a_share_that_becomes_unknown_is_told_as_no_number_under_the_same_names() -> None:
    world = World(lambda at_s: 100.0)
    spending = Spending(world.meter)
    steps(spending, 0, 1, 10)
    world.until(1)
    names = set(spending.tell(0))
    steps(spending, 1, 2, 10)
    world._share = None
    world.until(2)
    told = spending.tell(1)
    assert set(told) == names
    assert all(math.isnan(value) for value in told.values())


def test_measured_and_modelled_energy_are_never_one_number() -> None:
    world = World(lambda at_s: 100.0, GPU, MODEL)
    spending = Spending(world.meter)
    steps(spending, 0, 1, 10, samples=0)
    world.until(1)
    told = spending.tell()
    assert told["energy_j_per_step"] == told["modelled_energy_j_per_step"] == pytest.approx(5.0)
    assert not any("sample" in name for name in told), "nobody knows how many samples a step had"


def test_where_nothing_is_known_there_are_no_names() -> None:
    spending = Spending(Meter(None, ""))
    steps(spending, 0, 1, 10)
    assert spending.tell() == {}
    assert spending.rows == []


def test_what_never_becomes_known_is_waited_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    meter = Meter(None, "")
    waited: list[float] = []
    monkeypatch.setattr(meter, "wait_for", lambda until_ns, patience_s: waited.append(patience_s))
    spending = Spending(meter)
    for epoch in range(3):
        steps(spending, epoch, epoch + 1, 10)
        assert spending.tell(epoch) == {}
    assert waited[0] > 1
    assert all(patience_s < 0.1 for patience_s in waited[1:])


def test_short_epochs_are_waited_for_as_long_as_the_allowance_lasts(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(lambda at_s: 100.0)
    clock = [0]
    frozen = SimpleNamespace(monotonic_ns=lambda: clock[0], time_ns=lambda: clock[0])
    monkeypatch.setattr("smaragdine.training.spending.time", frozen)
    waited: list[float] = []

    def wait_for(until_ns: int, patience_s: float) -> None:
        waited.append(patience_s)
        clock[0] += round(min(patience_s, 0.3) * S)
        world.until(until_ns / S)

    monkeypatch.setattr(world.meter, "wait_for", wait_for)
    spending = Spending(world.meter)
    for epoch in range(40):
        steps(spending, epoch / 10, (epoch + 0.5) / 10, 1)
        assert spending.tell(epoch)["energy_j_per_step"] == pytest.approx(2.5)
    assert waited[:3] == [2.0, 0.5, 0.5]
    assert sum(min(patience_s, 0.3) for patience_s in waited) < 5.5


def test_a_long_history_is_thinned_and_loses_no_energy() -> None:
    world = World(lambda at_s: 100.0)
    spending = Spending(world.meter)
    steps(spending, 0, 600, 6000)
    world.until(600)
    assert len(world.meter._points) < 5000
    assert spending.tell()["energy_j_per_step"] == pytest.approx(5.0)
