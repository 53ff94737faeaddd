"""Models that are quantised, scripted, parametrised, shared between threads, or deleted while a window is open."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Callable

import pytest
import torch
from models import Bert, Mlp, training, words
from torch import nn

from smaragdine.trace.trace import Trace


def layers(trace: Trace, phase: str = "forward") -> set[str]:
    rows = trace.sql(f"select distinct layer from ops where phase = '{phase}'").fetchall()
    return {layer for (layer,) in rows} - {"loss"}


def test_a_quantised_model_has_its_layers(recorded) -> None:
    engines = [engine for engine in torch.backends.quantized.supported_engines if engine != "none"]
    assert engines
    torch.backends.quantized.engine = engines[-1]
    model = torch.ao.quantization.quantize_dynamic(Bert(), {nn.Linear}, dtype=torch.qint8).eval()
    with torch.no_grad():
        trace = recorded(lambda: model(words()), model=model)
    assert {"bert/layer/1/mlp/up", "bert/head"} <= layers(trace)
    kinds = trace.sql("select distinct type from ops where layer = 'bert/head'").fetchall()
    assert any("linear_dynamic" in kind for (kind,) in kinds)


def test_a_scripted_model_is_one_layer_and_its_parent_another(recorded) -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scripted, self.head = torch.jit.script(Mlp(64)), nn.Linear(64, 64)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.head(self.scripted(x))

    model = Net()
    trace = recorded(training(model, lambda: torch.randn(8, 64)), model=model)
    assert {"net/scripted", "net/head"} <= layers(trace)
    assert {"net/scripted", "net/head"} <= layers(trace, "backward")
    assert not any(layer.startswith("net/scripted/") for layer in layers(trace))


def test_a_parametrised_layer_has_the_name_that_the_user_gave_it(recorded) -> None:
    model = nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(8, 64)))
    alone = nn.utils.parametrizations.weight_norm(nn.Linear(8, 64))
    assert "sequential/0" in layers(recorded(training(model, lambda: torch.randn(4, 8)), model=model))
    assert "linear" in layers(recorded(training(alone, lambda: torch.randn(4, 8)), model=alone))


def test_a_model_that_threads_share_works_as_without_and_keeps_its_layers(recorded) -> None:
    model = Bert(width=16).eval()
    batch = words()
    with torch.no_grad():
        right = model(batch)
    wrong: list[object] = []

    def serve() -> None:
        with torch.no_grad():
            for _ in range(3):
                if not torch.equal(model(batch), right):
                    wrong.append(batch)

    def step() -> None:
        others = [threading.Thread(target=serve) for _ in range(3)]
        for other in others:
            other.start()
        serve()
        for other in others:
            other.join()

    trace = recorded(step, model=model)
    assert wrong == []
    assert {"bert/layer/1/mlp/up", "bert/head"} <= layers(trace)


@pytest.mark.parametrize("known", [False, True])
def test_a_model_that_is_deleted_while_a_window_is_open_is_let_go_of_after_it(recorded, known: bool) -> None:
    models = [Bert(width=16), Bert(width=16)]
    gone = weakref.ref(models[0])
    turn = iter(range(100))
    steps: list[Callable[[], None]] = [training(model, words) for model in models]

    def step() -> None:
        # The first window holds steps 2 and 3.
        if next(turn) == 3:
            del models[0], steps[0]
            gc.collect()
        steps[0]()

    trace = recorded(step, model=models[1] if known else None)
    gc.collect()
    assert gone() is None
    assert "bert/layer/1/mlp/up" in layers(trace)
    assert trace.sql("select step from steps where traced order by 1").fetchall() == [(2,), (3,), (6,), (7,)]
