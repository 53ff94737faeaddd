"""How much of operations' time leads to the user's own layers, in each model and mode; prints the table."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from models import AGAIN, MODELS, MODES, Bert, training, words

from smaragdine.trace.trace import Trace

OURS = ("optimizer", "metrics", "data", "runtime", "unknown")
TIME = (
    "select phase, layer, sum(end_ns - start_ns) from events join ops using (op) where kind = 'compute' group by 1, 2"
)
TABLE: list[str] = []


@pytest.fixture(scope="module", autouse=True)
def table() -> Iterator[None]:
    yield
    print("\n" + "\n".join(TABLE))


def shares(trace: Trace, name: str) -> dict[str, float]:
    """Of each pass the part in layers, the loss among them; `told`: in a pass that is known; `loss`: of all."""
    rows = trace.sql(TIME).fetchall()
    whole: dict[str, float] = {}
    layered: dict[str, float] = {}
    loss = 0.0
    for phase, layer, ns in rows:
        whole[phase] = whole.get(phase, 0.0) + ns
        if layer not in OURS:
            layered[phase] = layered.get(phase, 0.0) + ns
        loss += ns if layer == "loss" else 0
    all_ns = sum(whole.values())
    data_ns = sum(ns for phase, layer, ns in rows if layer == "data")
    told = {phase: layered.get(phase, 0.0) / whole[phase] for phase in ("forward", "backward") if phase in whole}
    told["told"] = 1 - (whole.get("other", 0.0) - data_ns) / all_ns
    told["loss"] = loss / all_ns
    TABLE.append(f"{name:32} " + "  ".join(f"{key} {share:6.1%}" for key, share in told.items()))
    return told


def check(trace: Trace, name: str) -> None:
    told = shares(trace, name)
    assert told["forward"] >= 0.97, TABLE[-1]
    assert told["backward"] >= 0.95, TABLE[-1]
    assert told["told"] >= 0.97, TABLE[-1]


@pytest.mark.parametrize("name", MODELS)
def test_each_kind_of_model_is_covered(name: str, recorded) -> None:
    make, data = MODELS[name]
    model = make()
    batches = [data() for _ in range(4)]
    turn = iter(range(10**6))
    check(recorded(training(model, lambda: batches[next(turn) % 4]), model=model), name)


@pytest.mark.parametrize("mode", MODES[1:])
def test_each_way_of_training_is_covered(mode: str, recorded) -> None:
    model, batch = Bert(), words()
    check(recorded(training(model, lambda: batch, mode), model=model), f"bert, {mode}")


@pytest.mark.parametrize("again", AGAIN)
def test_what_checkpoints_compute_again_is_backward_of_its_layer(again: str, recorded) -> None:
    model, batch = Bert(again=AGAIN[again]), words()
    trace = recorded(training(model, lambda: batch), model=model)
    check(trace, f"bert, {again}")
    up = "select count(*) from ops where phase = 'backward' and qtn = 'gradients/bert/layer/0/mlp/up/addmm'"
    assert trace.sql(up).fetchall() == [(1,)]


def test_without_a_model_the_layers_are_the_same(recorded) -> None:
    model, batch = Bert(), words()
    layers = "select distinct layer from ops where phase = 'forward' order by 1"
    told = recorded(training(model, lambda: batch), model=model).sql(layers).fetchall()
    assert recorded(training(model, lambda: batch)).sql(layers).fetchall() == told


def test_a_model_that_is_copied_or_deleted_in_a_window_is_none_the_worse(recorded) -> None:
    import copy
    import gc
    import weakref

    kept: list[weakref.ref[torch.nn.Module]] = []

    def step() -> None:
        model = copy.deepcopy(Bert())
        kept.append(weakref.ref(model))
        training(model, words)()

    trace = recorded(step)
    assert trace.sql("select count(*) > 0 from events").fetchall() == [(True,)]
    gc.collect()
    assert [one() for one in kept] == [None] * len(kept)


def test_a_model_in_torchscript_trains_as_one_layer(recorded) -> None:
    model = torch.jit.trace(torch.nn.Sequential(torch.nn.Linear(8, 64)), torch.randn(4, 8))
    trace = recorded(training(model, lambda: torch.randn(16, 8)))
    assert trace.sql("select count(*) > 0 from ops where phase = 'forward' and layer != 'unknown'").fetchall() == [
        (True,)
    ]
