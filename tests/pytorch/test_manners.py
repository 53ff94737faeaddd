"""What a recording leaves alone: compiled code, other profilers, results, and memory."""

from __future__ import annotations

import json
import resource
from pathlib import Path

import torch
from models import MODELS, Bert, training, words

import smaragdine
from smaragdine.trace.trace import Trace


def test_compiled_code_stays_one_graph_and_its_region_is_the_models(recorded) -> None:
    import torch._dynamo
    from torch._dynamo.utils import counters

    torch._dynamo.reset()
    counters.clear()
    model, batch = Bert(width=16), words()
    compiled = torch.compile(model, backend="aot_eager")
    step = training(compiled, lambda: batch)
    step()
    graphs, recompiled = counters["stats"]["unique_graphs"], dict(counters["recompiles"])
    trace = recorded(step, steps=12, model=compiled)
    assert graphs >= 1
    assert counters["stats"]["unique_graphs"] == graphs
    assert dict(counters["recompiles"]) == recompiled
    assert not counters["graph_break"]
    time = "select sum(end_ns - start_ns) from events join ops using (op) where phase in ('forward', 'backward')"
    whole, own = trace.sql(time).fetchall()[0][0], trace.sql(f"{time} and layer = 'bert'").fetchall()[0][0]
    loss = trace.sql(f"{time} and layer = 'loss'").fetchall()[0][0] or 0
    assert (own + loss) / whole >= 0.93


def test_what_is_compiled_within_a_recording_is_compiled_as_without(recorded) -> None:
    import torch._dynamo
    from torch._dynamo.utils import counters

    def graphs(within: bool) -> int:
        torch._dynamo.reset()
        counters.clear()
        model, batch = Bert(width=16), words()
        step = training(torch.compile(model, backend="aot_eager"), lambda: batch)
        if within:
            recorded(step, steps=8, model=model)
        else:
            for _ in range(8):
                step()
        return int(counters["stats"]["unique_graphs"])

    assert graphs(within=True) == graphs(within=False)


def test_another_profiler_within_a_window_keeps_all_its_events(tmp_path: Path) -> None:
    model, batch = Bert(width=16), words()
    step = training(model, lambda: batch)
    with smaragdine.record(tmp_path / "out", model=model, window=2, every=2) as recording:
        for number in range(8):
            with recording.step():
                if number == 5:
                    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as theirs:
                        step()
                else:
                    step()
    assert sum(event.name == "aten::addmm" for event in theirs.events()) > 0
    steps = dict(Trace.open(tmp_path / "out").sql("select step, traced from steps").fetchall())
    assert steps[5] is False
    assert any(steps.values())


def test_a_profiler_that_waits_for_its_schedule_is_not_disturbed(tmp_path: Path) -> None:
    model, batch = Bert(width=16), words()
    step = training(model, lambda: batch)
    seen: list[int] = []
    schedule = torch.profiler.schedule(wait=1, warmup=2, active=2, repeat=1)
    ready = lambda profiler: seen.append(len(profiler.events()))  # noqa: E731
    cpu = [torch.profiler.ProfilerActivity.CPU]
    with (
        smaragdine.record(tmp_path / "out", model=model, window=1, every=1) as recording,
        torch.profiler.profile(activities=cpu, schedule=schedule, on_trace_ready=ready) as theirs,
    ):
        for _ in range(8):
            with recording.step():
                step()
            theirs.step()
    assert seen
    assert seen[0] > 500


def test_results_are_the_same_to_the_bit(tmp_path: Path) -> None:
    def trained(recorded: bool) -> list[torch.Tensor]:
        torch.manual_seed(3)
        model, batch = Bert(width=16), words()
        step = training(model, lambda: batch)
        if recorded:
            with smaragdine.record(tmp_path / "out", model=model, window=1, every=1):
                for _ in range(6):
                    step()
        else:
            for _ in range(6):
                step()
        return [parameter.detach().clone() for parameter in model.parameters()]

    assert all(map(torch.equal, trained(recorded=True), trained(recorded=False)))


def test_memory_stays_flat_over_sixty_windows(tmp_path: Path) -> None:
    make, data = MODELS["bert"]
    model, batch = make(), data()
    step = training(model, lambda: batch)

    def resident_kib() -> int:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * resource.getpagesize() // 1024

    with smaragdine.record(tmp_path / "out", model=model, window=1, every=4) as recording:
        for number in range(240):
            with recording.step():
                step()
            if number == 80:
                before = resident_kib()
    assert resident_kib() - before < 48 * 1024
    state = json.loads((tmp_path / "out" / "trace.json").read_text())
    assert state["warnings"] == []


def test_an_exception_in_a_window_is_the_programs_and_the_trace_is_kept(tmp_path: Path) -> None:
    model, batch = Bert(width=16), words()
    step = training(model, lambda: batch)
    original = torch.nn.Module.__call__
    try:
        with smaragdine.record(tmp_path / "out", model=model, window=4, every=4) as recording:
            for number in range(8):
                with recording.step():
                    if number == 5:
                        model(torch.full((1, 1), 10**6))
                    step()
    except IndexError:
        pass
    assert torch.nn.Module.__call__ is original
    assert not torch.autograd._profiler_enabled()
    traced = Trace.open(tmp_path / "out").sql("select step from steps where traced order by 1").fetchall()
    assert traced == [(2,), (3,), (4,)]
