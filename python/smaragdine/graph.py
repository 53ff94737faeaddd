"""What a Keras model says about itself, so that the daemon can lead profiler names back to the user's layers.

Nothing here raises: a model that cannot be read gives less detail, never a failed training.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

# What reading another library's insides may raise when they change.
_UNREADABLE = (AttributeError, KeyError, TypeError, ValueError, RuntimeError)

# Layers nest some ten deep; a model that holds itself must end too.
_DEPTH = 64


def layer_paths(model: Any) -> list[str]:
    """The path of every layer below `model`, without the model's own name: `encoder/layer_0/attention`.

    Layers come in the order in which the model holds them, each after its parent. Keras knows a layer's path once it
    is built, so ask after the first step; a layer without weights has none, and gets that of its parent and its name.
    """
    own = str(getattr(model, "name", "") or "")
    paths: dict[str, None] = {}

    def walk(layer: Any, parent: str, depth: int) -> None:
        for child in _children(layer):
            path = getattr(child, "path", None)
            if not isinstance(path, str) or not path:
                name = str(getattr(child, "name", "") or "")
                path = f"{parent}/{name}" if parent else name
            # A subclassed model opens a scope of its own, a functional one does not.
            path = path.removeprefix(f"{own}/")
            if path and path != own and path not in paths:
                paths[path] = None
                if depth < _DEPTH:
                    walk(child, path, depth + 1)

    walk(model, "", 0)
    return list(paths)


def variable_paths(model: Any) -> list[str]:
    """The path of every trainable variable in the optimizer's order."""
    try:
        return [str(getattr(variable, "path", variable.name)) for variable in model.trainable_variables]
    except _UNREADABLE:
        return []


def keras_graph(model: Any) -> bytes | None:
    """The `tensorflow.GraphDef` of the compiled training step, serialised; `None` where there is none.

    There is none before the first step, and none with `run_eagerly=True`. It takes some 10 ms for a thousand
    operations. The step lies in the graph's function library.
    """
    for function in _functions(getattr(model, "train_function", None)):
        graph = _graph(function)
        if graph is not None:
            return graph
    return None


def _graph(function: Any) -> bytes | None:
    try:
        concrete = function._list_all_concrete_functions()
        return bytes(concrete[-1].graph.as_graph_def().SerializeToString()) if concrete else None
    except _UNREADABLE:
        return None


def _children(layer: Any) -> list[Any]:
    try:
        return list(layer._flatten_layers(include_self=False, recursive=False))
    except _UNREADABLE:
        return list(getattr(layer, "layers", None) or [])


def _functions(function: Any) -> Iterator[Any]:
    """The `tf.function`s in reach: Keras keeps the traced step in the closure of `train_function`."""
    seen: set[int] = set()
    waiting = [function]
    while waiting and len(seen) < 64:
        current = waiting.pop(0)
        if current is None or id(current) in seen:
            continue
        seen.add(id(current))
        if hasattr(current, "_list_all_concrete_functions"):
            yield current
        for cell in getattr(current, "__closure__", None) or ():
            try:
                held = cell.cell_contents
            except ValueError:
                continue
            if callable(held):
                waiting.append(held)
