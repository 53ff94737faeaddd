"""What a training runs: its models and functions, as far as they are known."""

from __future__ import annotations

import operator
from collections.abc import Collection, Sequence
from typing import Any

from smaragdine.functions import captures, compiles_by_xla, functions, held_in, traces
from smaragdine.graph import layer_paths, named_variables, variable_paths
from smaragdine.messages import Model

# Where Keras keeps a model's compiled steps.
STEPS = ("train_function", "test_function", "predict_function")


class Program:
    """`model` is a Keras model, a `tf.function`, or a list of several; of a model's steps, those that `steps` names."""

    def __init__(self, model: Any = None, steps: Collection[str] = STEPS) -> None:
        parts = [] if model is None else list(model) if isinstance(model, Sequence) else [model]
        self._models = [part for part in parts if hasattr(part, "_flatten_layers")]
        self._others = [part for part in parts if not hasattr(part, "_flatten_layers")]
        self._steps = steps
        self._roots: list[Any] = []
        self._functions: list[Any] = []

    @property
    def name(self) -> str:
        """The only model's name; several have theirs in the paths of their layers."""
        return str(self._models[0].name) if len(self._models) == 1 else ""

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
            self._functions = [function for root in roots for function in functions(root)]
        return self._functions

    def traces(self) -> int:
        """How many times its functions were traced up to now."""
        return sum(map(traces, self.functions()))

    def uses_xla(self) -> bool:
        return any(compiles_by_xla(function) for function in self.functions())

    def replicas(self) -> int:
        """How many devices share each batch."""
        strategies = [getattr(model, "distribute_strategy", None) for model in self._models]
        return max((getattr(strategy, "num_replicas_in_sync", 1) for strategy in strategies), default=1)

    def described(self) -> Model:
        """Takes some 10 ms for a hundred layers."""
        several = len(self._models) > 1
        paths: list[str] = []
        variables: list[str] = []
        for model in self._models:
            own = layer_paths(model)
            paths += [f"{model.name}/{path}" for path in own] if several else own
            variables += variable_paths(model)
        named = named_variables(self._models, [held for part in self._others for held in held_in(part)])
        return Model(self.name, tuple(paths), tuple(variables), captures(self.functions(), named))
