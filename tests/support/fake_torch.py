"""As much of PyTorch as a recording touches: modules, optimizers' hooks, and a profiler that writes down its marks."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest


class Kineto:
    """The one profiler of a process."""

    def __init__(self) -> None:
        self.running = False
        self.prepared = 0
        self.started_on: list[int] = []
        self.stopped_on: list[int] = []
        self.marks: list[str] = []
        self.saved: list[list[str]] = []
        self.fails = False
        # By window, whether it was asked for shapes.
        self.shapes: list[bool] = []

    def prepare(self, config: object, activities: object) -> None:
        self.prepared += 1
        if self.fails:
            raise RuntimeError("no profiler here")

    def enable(self, config: Any, activities: object) -> None:
        assert not self.running, "a second profiler ruins both"
        self.running = True
        self.started_on.append(threading.get_ident())
        self.shapes.append(bool(config[1]))
        self.marks = []

    def disable(self) -> Any:
        assert self.running, "there is none to be stopped"
        self.running = False
        self.stopped_on.append(threading.get_ident())
        marks = self.marks
        self.saved.append(marks)

        def save(path: str) -> None:
            events = ",".join(f'{{"ph": "X", "cat": "cpu_op", "name": "{mark}"}}' for mark in marks)
            Path(path).write_text(f'{{"baseTimeNanoseconds": 1, "traceEvents": [{events}]}}')

        return SimpleNamespace(save=save)


def made() -> tuple[Any, Kineto]:  # noqa: C901  it is a whole package
    """A module as `torch`, and its profiler."""
    kineto = Kineto()

    class Mark(AbstractContextManager[None]):
        def __init__(self, name: str) -> None:
            self.name = name

        def __enter__(self) -> None:
            kineto.marks.append(self.name)

        def __exit__(self, *_: object) -> None:
            return

    class Module:
        def __init__(self, **children: Any) -> None:
            self._modules = children
            self.training = True

        def _call(self, *arguments: Any) -> Any:
            return self.forward(*arguments)

        __call__: Callable[..., Any] = _call

        def forward(self, *arguments: Any) -> Any:
            for child in self._modules.values():
                child(*arguments)

    class _Loss(Module):
        pass

    class profile:  # noqa: N801  PyTorch's name
        def __init__(self) -> None:
            self.kineto_results = None

        def _prepare_trace(self) -> None:
            kineto.prepare(None, None)

    hooks: dict[int, Callable[..., None]] = {}

    def register(hook: Callable[..., None]) -> Any:
        hooks[len(hooks)] = hook
        number = len(hooks) - 1
        return SimpleNamespace(remove=lambda: hooks.pop(number, None))

    class Optimizer:
        def step(self) -> None:
            for hook in list(hooks.values()):
                hook(self, (), {})

    torch: Any = ModuleType("torch")
    torch.__version__ = "2.8.0+cpu"
    torch.compiler = SimpleNamespace(is_compiling=lambda: False)
    torch.optim = SimpleNamespace(Optimizer=Optimizer)
    torch.nn = SimpleNamespace(Module=Module, modules=SimpleNamespace(loss=SimpleNamespace(_Loss=_Loss)))
    torch._C = SimpleNamespace(_profiler=SimpleNamespace(_RecordFunctionFast=Mark, _ExperimentalConfig=lambda: None))
    torch.autograd = SimpleNamespace(
        ProfilerActivity=SimpleNamespace(CPU="cpu", CUDA="cuda"),
        ProfilerState=SimpleNamespace(KINETO="kineto"),
        ProfilerConfig=lambda *arguments: arguments,
        _prepare_profiler=kineto.prepare,
        _enable_profiler=kineto.enable,
        _disable_profiler=kineto.disable,
        _profiler_enabled=lambda: kineto.running,
        profiler=SimpleNamespace(profile=profile, _is_profiler_enabled=False),
    )
    torch.hooks = hooks
    torch.register = register
    return torch, kineto


@pytest.fixture
def fake_torch(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Any, Kineto]]:
    """PyTorch as the program imported it."""
    torch, kineto = made()
    optimizers: Any = ModuleType("torch.optim.optimizer")
    optimizers.register_optimizer_step_post_hook = torch.register
    monkeypatch.setitem(sys.modules, "torch", torch)
    monkeypatch.setitem(sys.modules, "torch.optim.optimizer", optimizers)
    for other in ("tensorflow", "keras", "torch._dynamo.callback"):
        monkeypatch.delitem(sys.modules, other, raising=False)
    monkeypatch.setenv("KINETO_LOG_LEVEL", "3")
    original = torch.nn.Module.__call__
    yield torch, kineto
    assert torch.nn.Module.__call__ is original, "the patch is left behind"
    assert not kineto.running, "the profiler is left running"


def settle() -> None:
    """Steps have some length."""
    time.sleep(0.001)
