"""A window waits for the GPUs that the process uses, and for no other."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from fake_torch import fake_torch
from smaragdine.frameworks.torch.keras_optimizers import KerasOptimizers
from smaragdine.frameworks.torch.profiler import Profiler

__all__ = ["fake_torch"]


@pytest.mark.parametrize(("held", "waited"), [([0, 0, 0], [1]), ([5, 0, 7], [0, 1, 2]), ([0, 9, 3], [1, 2])])
def test_gpus_that_hold_memory_of_the_process_are_waited_for_and_no_other_is_started(
    fake_torch: tuple[object, object], held: list[int], waited: list[int]
) -> None:
    torch, _ = fake_torch
    asked: list[int] = []
    torch.cuda = SimpleNamespace(  # type: ignore[attr-defined]
        is_initialized=lambda: True,
        current_device=lambda: 1,
        device_count=lambda: len(held),
        memory_reserved=lambda device: held[device],
        synchronize=asked.append,
    )
    profiler = Profiler(torch)
    for act in (profiler.start, profiler.settle, profiler.stop):
        asked.clear()
        act()
        assert asked == waited
    asked.clear()
    profiler.settle()
    assert asked == []


class Base:
    def apply(self, gradients: int) -> int:
        return gradients + 1


def test_an_optimizer_of_keras_is_marked_as_pytorch_marks_its_own_and_only_on_pytorch(
    fake_torch: tuple[object, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    torch, kineto = fake_torch

    class Optimizer(Base):
        pass

    class Adam(Optimizer):
        pass

    backend = ["torch"]
    keras = SimpleNamespace(
        optimizers=SimpleNamespace(Optimizer=Optimizer), backend=SimpleNamespace(backend=lambda: backend[0])
    )
    monkeypatch.setitem(sys.modules, "keras", keras)
    marks = KerasOptimizers(torch)
    marks.open()
    assert Adam().apply(3) == 4
    assert kineto.marks == ["Optimizer.step#Adam.apply"]  # type: ignore[attr-defined]
    marks.close()
    assert "apply" not in vars(Optimizer)
    backend[0] = "jax"
    marks.open()
    assert "apply" not in vars(Optimizer)
    marks.close()


def test_a_patch_over_ours_stays_and_marks_nothing_more(
    fake_torch: tuple[object, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    torch, kineto = fake_torch

    class Optimizer(Base):
        pass

    keras = SimpleNamespace(
        optimizers=SimpleNamespace(Optimizer=Optimizer), backend=SimpleNamespace(backend=lambda: "torch")
    )
    monkeypatch.setitem(sys.modules, "keras", keras)
    marks = KerasOptimizers(torch)
    marks.open()
    ours = Optimizer.apply
    Optimizer.apply = lambda self, gradients: ours(self, gradients) * 10  # type: ignore[method-assign]
    marks.close()
    assert Optimizer().apply(3) == 40
    assert kineto.marks == []  # type: ignore[attr-defined]
