"""The patch of `nn.Module.__call__`: what it marks, and that nothing of it is left."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from fake_torch import Kineto, fake_torch
from smaragdine.frameworks.torch.marks import Marks

__all__ = ["fake_torch"]

Fake = tuple[Any, Kineto]


def net(torch: Any) -> Any:
    return type("Net", (torch.nn.Module,), {})(body=torch.nn.Module(up=torch.nn.Module()), head=torch.nn.Module())


def marked(torch: Any, kineto: Kineto, models: list[Any], *calls: Any) -> list[str]:
    marks = Marks(torch, models)
    marks.open()
    # The model that was named is told at once.
    kineto.marks = []
    try:
        for call in calls:
            call()
    finally:
        marks.close()
    return kineto.marks


def test_calls_are_marked_by_their_paths_while_open(fake_torch: Fake) -> None:
    torch, kineto = fake_torch
    model = net(torch)
    told = marked(torch, kineto, [model], model)
    assert told == ["smaragdine:net", "smaragdine:net/body", "smaragdine:net/body/up", "smaragdine:net/head"]
    model()
    assert len(kineto.marks) == 4


def test_a_model_that_was_named_is_told_as_the_whole_and_no_other_is(fake_torch: Fake) -> None:
    torch, kineto = fake_torch
    for models, told in ([net(torch)], ["smaragdine:=net"]), ([net(torch), net(torch)], []), ([], []):
        kineto.marks = []
        marks = Marks(torch, models)
        marks.open()
        marks.close()
        assert kineto.marks == told


def test_without_a_model_the_outermost_that_is_called_is_it_and_a_loss_is_none(fake_torch: Fake) -> None:
    torch, kineto = fake_torch
    model, loss = net(torch), type("MyLoss", (torch.nn.modules.loss._Loss,), {})(inner=torch.nn.Module())
    told = marked(torch, kineto, [], model, loss)
    assert told[0] == "smaragdine:net"
    assert told[4:] == ["smaragdine:?my_loss", "smaragdine:?my_loss/inner"]


def test_beside_a_model_that_was_named_others_are_outside(fake_torch: Fake) -> None:
    torch, kineto = fake_torch
    assert marked(torch, kineto, [torch.nn.Module()], net(torch))[0] == "smaragdine:?net"


def test_a_module_made_within_a_call_is_a_part_of_it(fake_torch: Fake) -> None:
    torch, kineto = fake_torch
    model = type("Net", (torch.nn.Module,), {"forward": lambda self: torch.nn.Module(x=torch.nn.Module())()})()
    assert marked(torch, kineto, [model], model) == ["smaragdine:net", "smaragdine:net/x"][:1] + kineto.marks[1:]
    assert not any("?" in mark for mark in kineto.marks)


def test_what_is_being_compiled_sees_no_mark(fake_torch: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    torch, kineto = fake_torch
    monkeypatch.setattr(torch, "compiler", SimpleNamespace(is_compiling=lambda: True))
    model = net(torch)
    assert marked(torch, kineto, [model], model) == []


def test_a_module_that_raises_or_equals_all_others_is_called_as_without(fake_torch: Fake) -> None:
    torch, kineto = fake_torch

    def fail(self: Any) -> None:
        raise ValueError("as the user wrote it")

    odd = {"__eq__": lambda self, other: True, "__hash__": None}
    model = type("Net", (torch.nn.Module,), odd)(a=type("Bad", (torch.nn.Module,), {"forward": fail, **odd})())
    with pytest.raises(ValueError, match="as the user wrote it"):
        marked(torch, kineto, [model], model)
    assert kineto.marks == ["smaragdine:net", "smaragdine:net/a"]


def test_where_another_patched_over_ours_it_stays_and_ours_marks_nothing(fake_torch: Fake) -> None:
    torch, kineto = fake_torch
    module = torch.nn.Module
    original, model, marks = module.__call__, net(torch), Marks(torch, [])
    marks.open()
    ours = module.__call__
    module.__call__ = lambda self, *arguments: ours(self, *arguments)
    try:
        marks.close()
        kineto.marks = []
        model()
        assert kineto.marks == []
    finally:
        module.__call__ = original
