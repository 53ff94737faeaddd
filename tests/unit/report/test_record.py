"""The report tells what ran, and what of it is not known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from smaragdine import Trace
from smaragdine.report.record import Record
from testbed import synthetic_trace

PROGRAM: dict[str, Any] = {
    "command": ["python", "train.py", "--token", "[redacted]", "<script>alert(1)</script>"],
    "git": {"commit": "c0ffee" * 6 + "c0ff", "dirty": True},
    "packages": {"numpy": "2.1", "absl_py": "1.0"},
}


def test_what_ran_and_what_it_used_is_told(tmp_path: Path) -> None:
    metrics = [
        {"name": "cpu_time", "unit": "s"},
        {"name": "gpu_clock", "unit": "Hz", "problem": "no GPU"},
        {"name": "memory_resident", "unit": "bytes"},
    ]
    overrides = {"program": PROGRAM, "metrics": metrics, "metrics_cpu_s": 0.0024}
    record = Record.of(Trace.open(synthetic_trace.write(tmp_path, overrides=overrides)))
    facts = dict(record.facts)
    assert facts["command"] == "python train.py --token [redacted] <script>alert(1)</script>"
    assert facts["commit"] == "c0ffeec0ffee, with changes"
    assert facts["metrics"] == "sampling them took 2.40 ms of CPU time, 0.10 % of a core"
    assert facts["not sampled"] == "gpu_clock: no GPU"
    assert record.packages.rows == (("absl_py", "1.0"), ("numpy", "2.1"))
    assert record.metrics.rows == (
        ("cpu_time", "application", "3.00 s in all", "–"),
        ("memory_resident", "application", "1.07 GB", "1.07 GB"),
    )


def test_a_page_shows_it_and_runs_nothing_of_it(tmp_path: Path) -> None:
    from smaragdine.report.content import Content
    from smaragdine.report.page import render
    from smaragdine.trace.runs import Runs

    synthetic_trace.write(tmp_path / "one", overrides={"program": PROGRAM})
    page = render(Content.of(Runs.open(tmp_path / "one")))
    assert "--token [redacted]" in page and "<script>alert" not in page


def test_a_trace_that_tells_nothing_of_it_has_nothing_to_tell(tmp_path: Path) -> None:
    record = Record.of(Trace.open(synthetic_trace.write(tmp_path)))
    assert record.facts == () and record.packages.rows == ()
