"""Budgets: written strictly, warned of twice, and a stop only where it was asked for."""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import Any

import pytest

from smaragdine.carbon.place import Place
from smaragdine.errors import BudgetReached, UsageError
from smaragdine.recording.spent import Part, Spent
from smaragdine.training.budget import Allowance, Budget


class Recorder:
    """As far as a budget knows it."""

    def __init__(self, state: str = "recording") -> None:
        self.state = state
        self.labels: dict[str, str] = {}
        self.notes: list[str] = []
        self.channel = SimpleNamespace(label=self.labels.update, note=self.notes.append)
        self.meter = SimpleNamespace(tell=self._tell)

    def _tell(self, each: Any, lost: Any) -> None:
        self.draw, self.lose = each, lost


def allowance(budget: Budget, recorder: Recorder) -> Allowance:
    return Allowance(budget, recorder)  # type: ignore[arg-type]


def measured(application_j: float, unknown_j: float = 0.0) -> Spent:
    return Spent(0, {"measured": Part(2 * application_j + unknown_j, application_j, unknown_j)})


@pytest.mark.parametrize(
    ("text", "limit_j"),
    [("2 kWh", 7.2e6), ("500 J", 500), ("3 Wh", 10_800), ("1.5MJ", 1.5e6), (" 2e3  kJ ", 2e6), ("0.5 MWh", 1.8e9)],
)
def test_a_budget_of_energy_is_what_it_says(text: str, limit_j: float) -> None:
    assert Budget(text).used(limit_j) == pytest.approx(1)


@pytest.mark.parametrize(
    "text", ["", "2", "kWh", "2 kwh", "-1 J", "0 J", "2 kW", "1,5 kWh", "2 kWh/day", "nan J", "inf J", "1e400 J", "²J"]
)
def test_what_is_no_budget_is_refused_in_words(text: str) -> None:
    with pytest.raises(UsageError, match="budget") as refused:
        Budget(text)
    assert "2 kWh" in str(refused.value.hint)


def test_grams_need_a_place_and_count_its_electricity_and_pue(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SMARAGDINE_REGION", raising=False)
    with pytest.raises(UsageError, match="needs to know where") as refused:
        Budget("100 g")
    assert "region" in str(refused.value.hint)
    intensity = Place("SWE").intensity.g_per_kwh
    told = Budget("100 g", {"region": "SWE", "pue": "1.5"})
    assert told.used(3.6e6) == pytest.approx(1.5 * intensity / 100)
    monkeypatch.setenv("SMARAGDINE_REGION", "SWE")
    assert Budget("0.1 kg").used(3.6e6) == pytest.approx(intensity / 100)
    with pytest.raises(UsageError, match="no table knows a region"):
        Budget("100 g", {"region": "Swedn"})


def test_a_place_that_is_told_later_counts_from_then_on() -> None:
    budget = Budget("1 kWh")
    assert budget.used(1.8e6) == pytest.approx(0.5)
    place = Place("SWE", 2.0)
    budget.at(place, place.pue)
    assert budget.used(1.8e6) == pytest.approx(1)


def test_it_warns_at_four_fifths_and_at_all_of_it_once_each(caplog: pytest.LogCaptureFixture) -> None:
    recorder = Recorder()
    running = allowance(Budget("1000 J"), recorder)
    with caplog.at_level(logging.WARNING, "smaragdine"):
        for energy_j in (100, 799, 801, 900, 999):
            recorder.draw(measured(energy_j))
        assert [record.getMessage() for record in caplog.records] == ["80.1 % of the budget of 1000 J is drawn: 801 J"]
        assert not running.reached
        for energy_j in (1000, 1500, 9000):
            recorder.draw(measured(energy_j))
    assert len(caplog.records) == 2
    assert running.reached
    assert not running.stops, "nobody asked for a stop"
    running.refuse()


def test_one_leap_over_both_marks_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    recorder = Recorder()
    allowance(Budget("1 J"), recorder)
    recorder.draw(measured(5))
    recorder.draw(measured(6))
    assert [record.getMessage() for record in caplog.records] == ["500.0 % of the budget of 1 J is drawn: 5.00 J"]


def test_it_stops_where_that_was_asked_for_and_the_trace_says_so_once() -> None:
    recorder = Recorder()
    running = allowance(Budget("10 J", stops=True), recorder)
    running.refuse()
    recorder.draw(measured(10))
    for _ in range(2):
        with pytest.raises(BudgetReached, match="the budget of 10 J is reached"):
            running.refuse()
    assert recorder.labels == {"stopped_by": "budget of 10 J"}
    assert recorder.notes == ["stopped by its budget of 10 J"]


def test_energy_of_unknown_share_counts_and_what_is_modelled_is_said(caplog: pytest.LogCaptureFixture) -> None:
    recorder = Recorder()
    running = allowance(Budget("100 J"), recorder)
    recorder.draw(Spent(0, {"measured": Part(60, 0, 60), "modelled": Part(80, 40, 0)}))
    assert running.reached
    (record,) = caplog.records
    assert record.getMessage() == (
        "100.0 % of the budget of 100 J is drawn: 100 J "
        "(some of it modelled from CPU use; 60.0 J of unknown share are counted as the program's)"
    )


def test_a_budget_that_nobody_watches_is_told(caplog: pytest.LogCaptureFixture) -> None:
    allowance(Budget("1 J"), Recorder("failed"))
    recorder = Recorder()
    allowance(Budget("2 J"), recorder)
    recorder.lose()
    told = [record.getMessage() for record in caplog.records]
    assert told[0] == "nothing is recorded, so the budget of 1 J is not watched"
    assert "the budget of 2 J is no longer watched" in told[1]
    recorder.state = "complete"
    recorder.lose()
    assert len(caplog.records) == 2
