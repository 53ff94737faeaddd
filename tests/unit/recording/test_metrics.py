"""Metrics of a program's own: sampled once a second, whatever they do."""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import smaragdine
from smaragdine.daemon.messages import MetricValue
from smaragdine.errors import UsageError
from smaragdine.recording import metrics
from smaragdine.recording.metrics import Metric, MetricSampler


class Sender:
    """Keeps what is sent."""

    def __init__(self) -> None:
        self.values: list[MetricValue] = []

    def offer(self, message: Any) -> bool:
        self.values += message.values
        return True

    def of(self, name: str) -> list[MetricValue]:
        return [value for value in self.values if value.metric == name and not value.problem]

    def problems(self, name: str) -> list[str]:
        return [value.problem for value in self.values if value.metric == name and value.problem]


@pytest.fixture
def sampled(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Sender]]:
    """Samples metrics quickly until `until` holds."""
    monkeypatch.setattr(metrics, "_PERIOD_S", 0.02)
    monkeypatch.setattr(metrics, "_REGISTERED", {})
    samplers = []

    def go(*made: Metric, until: Callable[[Sender], object]) -> Sender:
        sender = Sender()
        sampler = MetricSampler(sender)  # type: ignore[arg-type]
        samplers.append(sampler)
        for one in made:
            sampler.add(one)
        deadline = time.monotonic() + 30
        while not until(sender):
            assert time.monotonic() < deadline, sender.values
            time.sleep(0.01)
        sampler.close()
        return sender

    yield go
    for sampler in samplers:
        sampler.close()


def test_numbers_and_numbers_by_scope_are_values_and_none_is_none(sampled: Callable[..., Sender]) -> None:
    sender = sampled(
        Metric("depth", "1", lambda: 3),
        Metric("queues", "1", lambda: {"in": 1, "out": 2.5}),
        Metric("silent", "1", lambda: None),
        until=lambda sender: len(sender.of("depth")) > 2 and len(sender.of("queues")) > 3,
    )
    assert {(value.scope, value.value) for value in sender.of("depth")} == {("", 3.0)}
    assert {(value.scope, value.value) for value in sender.of("queues")} == {("in", 1.0), ("out", 2.5)}
    assert not sender.of("silent") and not sender.problems("silent")
    stamps = [value.time_ns for value in sender.of("depth")]
    assert stamps == sorted(stamps) and stamps[-1] <= time.monotonic_ns()


def test_one_that_raises_is_told_once_and_asked_again(
    sampled: Callable[..., Sender], caplog: pytest.LogCaptureFixture
) -> None:
    answers = iter([1.0, "many", float("nan"), 2.0, 3.0])

    def function() -> Any:
        return next(answers, 4.0)

    with caplog.at_level(logging.WARNING, "smaragdine"):
        sender = sampled(Metric("flaky", "1", function), until=lambda sender: len(sender.of("flaky")) > 3)
    assert [value.value for value in sender.of("flaky")][:3] == [1.0, 2.0, 3.0]
    assert len(sender.problems("flaky")) == 1
    assert [record.getMessage() for record in caplog.records] == [
        "the metric flaky lacks values: ValueError: could not convert string to float: 'many'"
    ]


def test_one_that_cannot_be_sampled_here_says_so_and_is_not_asked(sampled: Callable[..., Sender]) -> None:
    asked: list[int] = []

    def missing() -> bool:
        raise FileNotFoundError("no such meter")

    sender = sampled(
        Metric("no", "W", lambda: asked.append(1) or 1.0, lambda: False),
        Metric("lost", "W", lambda: asked.append(1) or 1.0, missing),
        Metric("yes", "W", lambda: 1.0, lambda: True),
        until=lambda sender: sender.problems("no") and sender.problems("lost") and sender.of("yes"),
    )
    assert sender.problems("lost") == ["FileNotFoundError: no such meter"] and not asked


def test_one_that_does_not_answer_holds_up_no_other_and_not_the_end(
    sampled: Callable[..., Sender], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(metrics, "_PATIENCE_S", 0.1)
    free = threading.Event()
    with caplog.at_level(logging.WARNING, "smaragdine"):
        sender = sampled(
            Metric("stuck", "1", lambda: free.wait() or 1.0),
            Metric("alive", "1", lambda: 1.0),
            until=lambda sender: len(sender.of("alive")) > 12,
        )
    free.set()
    assert "has not answered" in sender.problems("stuck")[0] and "stuck" in caplog.text


def test_a_name_that_is_none_is_refused_where_it_is_given() -> None:
    for name in ("", "Power", "a b", "x" * 101, "1st"):
        with pytest.raises(UsageError, match="cannot be called"):
            smaragdine.metric(name, unit="1", function=lambda: 1.0)
    with pytest.raises(UsageError, match="no function"):
        smaragdine.metric("mine", unit="1", function=3)  # type: ignore[arg-type]


def test_a_metric_that_is_named_while_a_recording_runs_is_sampled_and_the_latest_of_a_name(
    sampled: Callable[..., Sender],
) -> None:
    sender = Sender()
    sampler = MetricSampler(sender)  # type: ignore[arg-type]
    sampler.start()
    smaragdine.metric("mine", unit="1", function=lambda: 1.0)
    smaragdine.metric("mine", unit="1", function=lambda: 2.0)
    deadline = time.monotonic() + 30
    while not sender.of("mine") or sender.of("mine")[-1].value != 2.0:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    sampler.close()


def test_installed_packages_bring_metrics_and_a_broken_one_harms_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    package = tmp_path / "plug-1.0.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: plug\nVersion: 1.0\n")
    (package / "entry_points.txt").write_text(
        "[smaragdine.metrics]\none = plug:ONE\nmany = plug:MANY\nbroken = plug:NOTHING\nwrong = plug:WRONG\n"
    )
    one, other = Metric("plugged", "1", lambda: 1.0), Metric("other", "1", lambda: 1.0)
    monkeypatch.setitem(sys.modules, "plug", SimpleNamespace(ONE=one, MANY=[other], WRONG=3))
    monkeypatch.syspath_prepend(str(tmp_path))
    with caplog.at_level(logging.WARNING, "smaragdine"):
        found = {made.name for made in metrics._installed()}
    assert found == {"plugged", "other"}
    assert len(caplog.records) == 2
