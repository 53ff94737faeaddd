"""The layers of models: every layer once, under one path, whichever ways lead to it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from smaragdine.frameworks.tensorflow.functions import UNREADABLE

# Layers nest some ten deep, and a shared one is reached in few ways; a model that holds itself must end too.
_DEPTH = 64
_MOST_PATHS = 100_000


class Outline:
    """Every layer of `models`, themselves included, with its path, the outermost model's name first.

    A path follows who holds whom, as the scopes of operations do: `bert/encoder/layer_0/attention`. A layer that
    several hold has the path of the first; the others are in `shared`. Layers come in the order in which the models
    hold them, each after its holder.
    """

    def __init__(self, models: Iterable[Any]) -> None:
        self.models: list[Any] = []
        self.layers: list[tuple[Any, str]] = []
        self.shared: dict[str, str] = {}
        self._paths: dict[int, str] = {}
        for model in models:
            name = name_of(model)
            if (known := self._paths.get(id(model))) is None:
                self.models.append(model)
                self._add(model, name)
            elif known != name:
                self.shared.setdefault(name, known)

    def path(self, layer: Any) -> str | None:
        """The path of a layer; None for one of another program."""
        return self._paths.get(id(layer))

    def _add(self, model: Any, name: str) -> None:
        waiting: list[tuple[Any, str, tuple[int, ...]]] = [(model, name, (id(model),))]
        while waiting and len(self.layers) + len(self.shared) < _MOST_PATHS:
            layer, path, within = waiting.pop()
            if (known := self._paths.get(id(layer))) is not None:
                if known != path:
                    self.shared.setdefault(path, known)
                continue
            self._paths[id(layer)] = path
            self.layers.append((layer, path))
            if len(within) > _DEPTH:
                continue
            for child in reversed(children(layer)):
                if (own := name_of(child)) and id(child) not in within:
                    waiting.append((child, f"{path}/{own}" if path else own, (*within, id(child))))


def name_of(layer: Any) -> str:
    return str(getattr(layer, "name", "") or "")


def is_layer(candidate: Any) -> bool:
    """Whether this is a model or a layer of Keras."""
    return hasattr(candidate, "_flatten_layers")


def children(layer: Any) -> list[Any]:
    """The layers that a layer holds itself."""
    try:
        return list(layer._flatten_layers(include_self=False, recursive=False))
    except UNREADABLE:
        return list(getattr(layer, "layers", None) or [])
