"""Trackers without their packages: never imported by us, told once, and free to fail."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from smaragdine.trace.trace import Trace
from smaragdine.training.spending import Row
from smaragdine.training.trackers.following import ENVIRONMENT, Following, follow
from smaragdine.training.trackers.totals import totals

DEMO = Path(__file__).parents[3] / "fixtures" / "traces" / "demo"


class Run:
    """A run of a package called wandb, which takes what it is told."""

    def __init__(self, problem: str | None = None) -> None:
        self.id = "abc"
        self.summary: dict[str, float] = {}
        self.config = SimpleNamespace(update=self._configure)
        self.configured: dict[str, Any] = {}
        self.artifacts: list[Any] = []
        self._problem = problem

    def _configure(self, values: dict[str, Any], allow_val_change: bool) -> None:
        self.configured |= values

    def log_artifact(self, artifact: Any) -> None:
        if self._problem:
            raise RuntimeError(self._problem)
        self.artifacts.append(artifact)


class Artifact:
    def __init__(self, name: str, type: str) -> None:
        self.name, self.type = name, type

    def add_file(self, path: str, name: str) -> None:
        self.file, self.page = name, Path(path).read_text()


def package(monkeypatch: pytest.MonkeyPatch, run: Run | None) -> ModuleType:
    module = ModuleType("wandb")
    module.run, module.Artifact = run, Artifact  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "wandb", module)
    monkeypatch.delitem(sys.modules, "mlflow", raising=False)
    return module


def test_totals_are_the_traces_by_the_names_of_a_statement() -> None:
    trace = Trace.open(DEMO)
    metrics, tags = totals(trace)
    statement = trace.statement(allow_modelled=True)
    assert statement.credit is not None
    prefix = "modelled_" if statement.credit.modelled_only else ""
    assert metrics[f"{prefix}energy_kwh"] == pytest.approx(statement.energy_kwh)
    assert metrics[f"{prefix}cpu_kwh"] == pytest.approx(statement.credit.component_kwh("cpu"))
    assert not any("emissions" in name for name in metrics), "nobody told a place"
    assert tags["coverage"] == trace.coverage().sentence()


def test_a_run_that_is_active_gets_totals_and_the_report(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run()
    package(monkeypatch, run)
    Following(lambda: [Row(0, 1, {"energy_j": 2.0})]).end(DEMO)
    assert run.summary == totals(Trace.open(DEMO))[0]
    assert run.configured["smaragdine"]["trace"] == str(DEMO)
    (artifact,) = run.artifacts
    assert (artifact.name, artifact.file) == ("smaragdine-demo-abc", "report.html")
    assert artifact.page.lstrip().lower().startswith("<!doctype html>")


def test_a_run_that_ended_before_the_recording_is_told_and_one_that_never_was_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ended = Run()
    module = package(monkeypatch, ended)
    following = Following(list)
    module.run = None  # type: ignore[attr-defined]
    following.end(DEMO)
    assert ended.summary
    nothing = Following(list)
    monkeypatch.setattr("smaragdine.trace.trace.Trace.open", lambda path: pytest.fail("nobody asked for the trace"))
    nothing.end(DEMO)


def test_a_tracker_that_fails_costs_one_warning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    package(monkeypatch, Run("the server is gone"))
    Following(list).end(DEMO)
    assert [record.getMessage() for record in caplog.records if "wandb" in record.getMessage()] == [
        f"wandb was not told of {DEMO}: RuntimeError: the server is gone"
    ]


def test_a_package_that_is_half_imported_or_another_by_that_name_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("mlflow", "wandb"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    Following(list).end(DEMO)


def test_a_trace_that_cannot_be_read_is_told_and_nothing_more(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    package(monkeypatch, Run())
    Following(list).end(tmp_path)
    (record,) = caplog.records
    assert record.getMessage().startswith(f"the trace {tmp_path} cannot be told to wandb: ")


@pytest.mark.parametrize("value", ["0", "off", "No", "FALSE"])
def test_nobody_is_told_where_that_is_turned_off(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    told: list[object] = []
    recorder: Any = SimpleNamespace(state="recording", after_finish=told.append)
    follow(recorder, list, wanted=False)
    monkeypatch.setenv(ENVIRONMENT, value)
    follow(recorder, list)
    assert told == []
    monkeypatch.setenv(ENVIRONMENT, "1")
    follow(recorder, list)
    assert len(told) == 1


def test_no_tracker_is_imported_by_us() -> None:
    import subprocess

    program = (
        "import sys, smaragdine.training.trackers.following, smaragdine.frameworks.record;"
        "assert not {'mlflow', 'wandb', 'duckdb', 'plotly', 'pandas'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
