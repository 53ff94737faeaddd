"""The vigil over a training that may end without a word, and the shipper's jobs."""

from __future__ import annotations

import threading
import time

import pytest

from smaragdine.training.shipper import Shipper
from smaragdine.training.vigil import Call, Vigil


def test_a_training_that_is_gone_is_noticed_once() -> None:
    lost: list[bool] = []
    gone = threading.Event()
    Vigil(lambda: False, lambda: (lost.append(True), gone.set()), period_s=0.01)
    assert gone.wait(10)
    time.sleep(0.1)
    assert lost == [True]


def test_one_that_is_away_for_a_moment_is_not_lost() -> None:
    answers = iter([False, True] * 20)
    lost: list[bool] = []
    vigil = Vigil(lambda: next(answers, True), lambda: lost.append(True), period_s=0.005)
    time.sleep(0.3)
    vigil.end()
    assert not lost


def test_one_that_ended_is_watched_no_further() -> None:
    lost: list[bool] = []
    vigil = Vigil(lambda: False, lambda: lost.append(True), period_s=0.1)
    vigil.end()
    time.sleep(0.4)
    assert not lost


def test_a_call_is_under_way_until_it_returns_and_tells_its_variables() -> None:
    def fit() -> tuple[Call | None, bool, object]:
        epochs = 3
        call = Call.around({"fit"})
        assert call is not None
        return call, call.under_way(), call.local("epochs") if epochs else None

    call, during, epochs = fit()
    assert call is not None
    assert (during, epochs) == (True, 3)
    assert not call.under_way()
    call.let_go()
    assert call.local("epochs") is None
    assert Call.around({"nobody called so"}) is None


def test_jobs_are_done_in_order_and_one_that_fails_costs_no_other(caplog: pytest.LogCaptureFixture) -> None:
    done: list[object] = []
    shipper = Shipper()
    shipper.submit(lambda: done.append(1))
    shipper.submit(lambda: 1 / 0, done.append)
    shipper.submit(lambda: done.append(2))
    shipper.close()
    assert done[0] == 1
    assert done[-1] == 2
    assert isinstance(done[1], float)
    assert "a profile was lost: ZeroDivisionError" in caplog.text
