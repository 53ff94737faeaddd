"""What a training runs: its models and functions, as far as they are known."""

from __future__ import annotations

import operator
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from smaragdine.daemon.messages import Model
from smaragdine.frameworks.tensorflow.functions import (
    captures,
    compiles_by_xla,
    functions,
    functions_in,
    held_in,
    traces,
)
from smaragdine.frameworks.tensorflow.graph import below, trained_paths
from smaragdine.frameworks.tensorflow.outline import Outline, is_layer, name_of
from smaragdine.frameworks.tensorflow.variables import Named, named_variables

# Where Keras keeps a model's compiled steps.
STEPS = ("train_function", "test_function", "predict_function")
# What a user's model says of its steps, where it says so itself.
_OWN_STEPS = ("train_step", "test_step", "predict_step", "compute_loss")


class Program:
    """`model` is a Keras model, a function of the user's, compiled or not, or several in a list or a dictionary; of a
    model's steps, those that `steps` names."""

    def __init__(self, model: Any = None, steps: Collection[str] = STEPS, calls: Sequence[Any] = ()) -> None:
        """`calls`: compiled functions that it may call besides."""
        several = list(model.values()) if isinstance(model, Mapping) else model
        parts = [] if model is None else list(several) if isinstance(several, Sequence) else [several]
        self._models = [part for part in parts if is_layer(part)]
        self._others = [part for part in (*parts, *(calls if parts else ())) if not is_layer(part)]
        self._steps = steps
        self._roots: list[Any] = []
        self._functions: list[Any] = []
        self._calls: list[list[Any]] = []

    @property
    def known(self) -> bool:
        """Whether there is anything to say of it."""
        return bool(self._models or self._others)

    def is_eager(self) -> bool:
        """Whether layers run operation by operation, or may."""
        import tensorflow as tf

        return tf.config.functions_run_eagerly() or any(getattr(model, "run_eagerly", False) for model in self._models)

    def functions(self) -> list[Any]:
        """The functions that run its steps, the outermost first. Quick: Keras compiles some as it goes."""
        roots = [getattr(model, step, None) for model in self._models for step in self._steps] + self._others
        # `is`, for what a function compares as may take long.
        if len(roots) != len(self._roots) or not all(map(operator.is_, roots, self._roots)):
            self._roots = roots
            self._calls = [list(functions(root)) for root in roots]
            self._calls += [[function] for step in self._own_steps() for function in functions_in(step)]
            found = {id(function): function for call in self._calls for function in call}
            self._functions = list(found.values())
        return self._functions

    def untold(self, known: Callable[[Any], bool]) -> list[Any]:
        """Of what its steps call, the outermost functions within which none is `known`."""
        self.functions()
        run = ([function for function in call if traces(function)] for call in self._calls)
        return [call[0] for call in run if call and not any(map(known, call))]

    def traces(self) -> int:
        """How many times its functions were traced up to now."""
        return sum(map(traces, self.functions()))

    def uses_xla(self) -> bool:
        return any(compiles_by_xla(function) for function in self.functions())

    def replicas(self) -> int:
        """How many devices share each batch."""
        strategies = [getattr(model, "distribute_strategy", None) for model in self._models]
        return max((getattr(strategy, "num_replicas_in_sync", 1) for strategy in strategies), default=1)

    def outline(self) -> Outline:
        """The layers of its models, and of models that its functions name."""
        return Outline([*self._models, *_outermost([held for held in self._held() if is_layer(held)])])

    def variables(self) -> Named:
        """Every variable of its models and of what its functions name, by its identity, with its path."""
        return named_variables(self.outline(), self._held())

    def described(self) -> Model:
        """Takes some 10 ms for a hundred layers."""
        outline = self.outline()
        named = named_variables(outline, self._held())
        several = len(outline.models) > 1
        # Several models have their names in the paths of their layers.
        name = name_of(outline.models[0]) if outline.models and not several else ""
        paths = [path for _, path in outline.layers] if several else below(outline)
        shared = {
            other.removeprefix(f"{name}/"): path.removeprefix(f"{name}/") for other, path in outline.shared.items()
        }
        known = captures(self.functions(), named.values())
        return Model(name, tuple(dict.fromkeys(paths)), tuple(trained_paths(outline.models, named)), known, shared)

    def _held(self) -> list[Any]:
        """What its functions hold besides the models that are given."""
        return [held for function in self._own_steps() for held in held_in(function)]

    def _own_steps(self) -> list[Any]:
        """The functions of the user's that are given, and those that models have in place of Keras's."""
        own = (getattr(model, step, None) for model in self._models for step in _OWN_STEPS)
        return [*self._others, *(step for step in own if step and not _is_keras(step))]


def _is_keras(function: Any) -> bool:
    return str(getattr(function, "__module__", "")).partition(".")[0] == "keras"


def _outermost(models: list[Any]) -> list[Any]:
    """Those of the models that no other holds."""
    inner = {id(layer) for model in models for layer, _ in Outline([model]).layers[1:]}
    return [model for model in models if id(model) not in inner]
