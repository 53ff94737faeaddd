"""What a Keras model says about itself, so that the daemon can lead profiler names back to the user's layers.

Nothing here raises: a model that cannot be read gives less detail, never a failed training.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from smaragdine.functions import UNREADABLE, functions, graph_def, variables_of

# Layers nest some ten deep, and a shared one is reached in few ways; a model that holds itself must end too.
_DEPTH = 64
_MOST_PATHS = 100_000


def layer_paths(model: Any) -> list[str]:
    """The path of every layer below `model`, without the model's own name: `encoder/layer_0/attention`.

    A path follows who holds whom, as the scopes of operations do; a layer held by two has two. Layers come in the
    order in which the model holds them, each after its parent.
    """
    return list(dict.fromkeys(path for _, path in held_layers(model)))


def held_layers(model: Any) -> Iterator[tuple[Any, str]]:
    """Every layer below `model` with its path, once for each way that leads to it."""
    waiting: list[tuple[Any, str, tuple[int, ...]]] = [(model, "", (id(model),))]
    found = 0
    while waiting and found < _MOST_PATHS:
        layer, path, within = waiting.pop()
        if path:
            found += 1
            yield layer, path
        if len(within) > _DEPTH:
            continue
        for child in reversed(_children(layer)):
            name = str(getattr(child, "name", "") or "")
            if name and id(child) not in within:
                waiting.append((child, f"{path}/{name}" if path else name, (*within, id(child))))


def variable_paths(model: Any) -> list[str]:
    """The path of every trainable variable in the optimizer's order: `bert/encoder/layer_0/attention/kernel`."""
    try:
        paths = {id(variable): path for variable, path in named_variables([model])}
        return [paths.get(id(variable)) or _path(variable) for variable in model.trainable_variables]
    except UNREADABLE:
        return []


def named_variables(models: Iterable[Any], others: Iterable[Any] = ()) -> list[tuple[Any, str]]:
    """Every variable of the models, their metrics and optimizers, and of `others` that hold variables, with its path.

    A layer's variable has the model's name and the layer's path before its own name, whoever built the layer; a slot
    has its optimizer's name and, as Keras writes it, the variable's path: `adam/bert_encoder_kernel_momentum`.
    """
    named: dict[int, tuple[Any, str]] = {}
    # A variable's path as Keras writes it into a slot's name → as it is written here.
    flat: dict[str, str] = {}
    holders: list[Any] = []
    for model in models:
        holders += [model, *(getattr(model, "metrics", None) or ()), getattr(model, "optimizer", None)]
        name = str(getattr(model, "name", "") or "")
        for layer, path in [(model, ""), *held_layers(model)]:
            for variable in _own_variables(layer):
                if id(variable) not in named:
                    whole = "/".join(part for part in (name, path, str(variable.name)) if part)
                    named[id(variable)] = (variable, whole)
                    flat[_path(variable).replace("/", "_")] = whole.replace("/", "_")
    for holder in [*holders, *others]:
        for variable in variables_of(holder):
            named.setdefault(id(variable), (variable, _slot(_path(variable), flat)))
    return list(named.values())


def keras_graph(model: Any) -> bytes | None:
    """The `tensorflow.GraphDef` of the compiled training step as it was traced, serialised; `None` where there is none.

    There is none before the first step, and none with `run_eagerly=True`. It takes some 10 ms for a thousand
    operations. The step lies in the graph's function library.
    """
    for function in functions(getattr(model, "train_function", None)):
        if (graph := graph_def(function)) is not None:
            return graph
    return None


def _slot(path: str, flat: dict[str, str]) -> str:
    """`adam/dense_kernel_momentum` → `adam/net_dense_kernel_momentum`, where `dense_kernel` is the model's."""
    optimizer, _, slot = path.partition("/")
    of, found, kind = slot, "", ""
    while of and not found:
        of, _, last = of.rpartition("_")
        found, kind = flat.get(of, ""), f"{last}_{kind}" if kind else last
    return f"{optimizer}/{found}_{kind}" if found else path


def _path(variable: Any) -> str:
    return str(getattr(variable, "path", None) or variable.name)


def _own_variables(layer: Any) -> Iterator[Any]:
    """A layer's variables without those of the layers that it holds."""
    for held in ("_trainable_variables", "_non_trainable_variables"):
        yield from getattr(layer, held, None) or ()
    for generator in getattr(layer, "_seed_generators", None) or ():
        if (state := getattr(generator, "state", None)) is not None:
            yield state


def _children(layer: Any) -> list[Any]:
    try:
        return list(layer._flatten_layers(include_self=False, recursive=False))
    except UNREADABLE:
        return list(getattr(layer, "layers", None) or [])
