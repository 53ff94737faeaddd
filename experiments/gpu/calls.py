"""The calls of operations that one step makes, with what they were given, as PyTorch dispatches them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

# What a trace calls by the innermost of them.
_SAME = {
    "_to_copy": "copy_",
    "clone": "copy_",
    "zeros": "fill_",
    "zeros_like": "fill_",
    "new_zeros": "fill_",
    "zero_": "fill_",
    "ones_like": "fill_",
    "full": "fill_",
}


class Place(NamedTuple):
    """What a call and an operation have in common: the module, empty outside of the model, the pass, and the name."""

    layer: str
    backward: bool
    name: str


@dataclass(frozen=True)
class Call:
    """One call of an operation."""

    place: Place
    shapes: str
    again: Callable[[], Any]


def calls_of(model: Any, step: Callable[[], Any]) -> list[Call]:
    """Runs a step, and holds on to every tensor that its operations were given."""
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode

    found: list[Call] = []
    # By the sequence number of autograd's node.
    layers: dict[int, str] = {}
    inside: list[str] = []

    def where() -> tuple[str, bool]:
        node = torch._C._current_autograd_node()
        if node is not None:
            return layers.get(node._sequence_nr(), ""), True
        layer = inside[-1] if inside else ""
        # The node of what is called now was made just before.
        layers[torch._C._autograd._get_sequence_nr() - 1] = layer
        return layer, False

    class Calls(TorchDispatchMode):  # type: ignore[misc]
        def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            kwargs = kwargs or {}
            layer, backward = where()
            result = function(*args, **kwargs)
            place = Place(layer, backward, plain_name(function._schema.name.partition("::")[2]))
            found.append(Call(place, shapes(args, kwargs), lambda: function(*args, **kwargs)))
            return result

    with _told_modules(model, inside), Calls():
        step()
    return found


@contextmanager
def _told_modules(model: Any, inside: list[str]) -> Iterator[None]:
    """Keeps the paths of the modules that are being called, the innermost last."""
    root = type(model).__name__.lower()
    handles = []
    for name, module in model.named_modules():
        path = "/".join([root, *name.split(".")]) if name else root
        handles.append(module.register_forward_pre_hook(lambda *_, path=path: inside.append(path)))
        handles.append(module.register_forward_hook(lambda *_: inside.pop() and None, always_call=True))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def plain_name(name: str) -> str:
    """One name for an operation and for what it calls to do its work, without `aten::`. Pure."""
    if "attention" in name:
        return "attention_backward" if "backward" in name else "attention"
    return _SAME.get(name, name)


def shapes(*arguments: Any) -> str:
    """`4096×1024 bf16, …` of every tensor among the arguments; of a list of many, its length."""
    import torch

    told = []

    def visit(value: Any) -> None:
        if isinstance(value, torch.Tensor):
            kind = str(value.dtype).removeprefix("torch.").replace("float", "f")
            told.append(f"{'×'.join(map(str, value.shape)) or 'scalar'} {kind}")
        elif isinstance(value, (list, tuple)) and len(value) > 8:
            told.append(f"{len(value)} tensors")
        elif isinstance(value, (list, tuple)):
            for one in value:
                visit(one)
        elif isinstance(value, dict):
            visit(tuple(value.values()))

    visit(arguments)
    return ", ".join(told)


def matched(calls: Sequence[object], operations: Sequence[object]) -> list[tuple[int, int]]:
    """Which call is which operation, as indexes: the longest sequence that both have in common. Pure.

    Calls without work of a GPU's have no operation, and operations that no call is known of have no call.
    """
    width = len(operations) + 1
    # By how many are in common from here on, row by row from the last.
    rows = [[0] * width]
    for call in reversed(calls):
        below, row = rows[-1], [0] * width
        for place in range(width - 2, -1, -1):
            row[place] = below[place + 1] + 1 if call == operations[place] else max(below[place], row[place + 1])
        rows.append(row)
    rows.reverse()
    pairs, place = [], 0
    for number, call in enumerate(calls):
        while place < len(operations) and rows[number][place] == rows[number][place + 1]:
            place += 1
        if place < len(operations) and call == operations[place] and rows[number][place] > rows[number + 1][place]:
            pairs.append((number, place))
            place += 1
    return pairs
