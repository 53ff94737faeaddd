"""Scopes for what Keras runs operation by operation: an eager operation has no name, only a place in time.

While a window is open, every call of a layer, loss, metric and optimizer, and every gradient that a tape takes, is
annotated in the profile with what it is for. A layer's scope is its path, `bert/encoder/layer_0`. What is no layer's
begins with a colon, which no layer's name does: `:loss/mse`, `:metrics/accuracy`, `:optimizer/adam`,
`:update/bert/pooler/dense/kernel`, `:gradients/bert/pooler/dense`.
"""

from __future__ import annotations

import functools
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from typing import TYPE_CHECKING, Any

from smaragdine.frameworks.tensorflow.backward import Gradients, Marks, executing_eagerly

if TYPE_CHECKING:
    from smaragdine.frameworks.tensorflow.program import Program

_LOG = logging.getLogger("smaragdine")
# What the daemon knows our annotations by.
MARK = "smaragdine:"

# Of an object that is called with some arguments, within the scope around it; None: that one.
Scope = Callable[[Any, tuple[Any, ...], str], str | None]


class Scopes:
    """Annotates calls between `open` and `close`. A function that is being compiled has scopes of its own.

    `program` tells the paths of layers and variables; without it a layer's scope is its name within the one around.
    """

    def __init__(self, program: Program | None = None) -> None:
        self._program = program
        self._marks = Marks()
        self._gradients = Gradients(self._marks, self._gradients_of)
        self._replaced: list[tuple[type, str, Any, Any]] = []
        self._layers: dict[int, str] | None = None
        self._variables: dict[int, str] | None = None

    def open(self) -> None:
        # The program may have built layers since the last time.
        self._layers = self._variables = None
        for owner, name, scope in self._callers():
            original = owner.__dict__[name]
            annotated = self._annotated(original, scope)
            setattr(owner, name, annotated)
            self._replaced.append((owner, name, original, annotated))
        try:
            self._gradients.open()
        except Exception as error:  # noqa: BLE001  none of this is public; without it the backward pass has no layers
            _LOG.debug("TensorFlow does not show where eager gradients come from: %r", error)

    def close(self) -> None:
        self._gradients.close()
        while self._replaced:
            owner, name, original, annotated = self._replaced.pop()
            # What another has put over ours since calls the original in the end.
            if owner.__dict__.get(name) is annotated:
                setattr(owner, name, original)

    @property
    def current(self) -> str:
        """The scope of this thread."""
        return self._marks.current

    def _annotated(self, function: Any, scope: Scope) -> Any:
        @functools.wraps(function)
        def call(this: Any, *arguments: Any, **options: Any) -> Any:
            if not self._replaced or not executing_eagerly():
                return function(this, *arguments, **options)
            own = None
            with suppress(Exception):  # where a layer lies is worth no training
                own = scope(this, arguments, self.current)
            with self._within(own, own) if own is not None else nullcontext():
                return function(this, *arguments, **options)

        return call

    @contextmanager
    def _within(self, scope: str, title: str) -> Iterator[None]:
        """Runs operations in `scope`, under a title in the profile."""
        import tensorflow as tf

        outer = self._marks.enter(scope)
        try:
            with tf.profiler.experimental.Trace(MARK + title):
                yield
        finally:
            self._marks.enter(outer)

    def _gradients_of(self, scope: str) -> Any:
        return self._within(scope, f":gradients/{scope}" if scope else ":gradients")

    def _callers(self) -> Iterator[tuple[type, str, Scope]]:
        """The classes whose calls are annotated, the method's name, and the scope's."""
        import tensorflow as tf

        yield tf.GradientTape, "gradient", self._of_tape
        # Who has not imported Keras has no layers, and pays for no import here.
        if (keras := sys.modules.get("keras")) is None:
            return
        yield keras.layers.Layer, "__call__", self._of_layer
        yield from _overriding(keras.optimizers.Optimizer, "apply", lambda one, _, outer: f":optimizer/{one.name}")
        yield from _overriding(keras.optimizers.Optimizer, "update_step", self._of_update)
        for assignment in ("assign", "assign_add", "assign_sub"):
            yield from _overriding(keras.Variable, assignment, self._of_assignment)
        yield from _overriding(keras.losses.Loss, "__call__", _of_loss)
        for use in ("update_state", "result", "reset_state"):
            yield from _overriding(keras.metrics.Metric, use, lambda one, _, outer: f":metrics/{one.name}")

    def _of_tape(self, tape: Any, arguments: tuple[Any, ...], outer: str) -> str:
        self._marks.forget()
        return ":gradients"

    def _of_layer(self, layer: Any, arguments: tuple[Any, ...], outer: str) -> str:
        if self._layers is None:
            outline = self._program.outline() if self._program else None
            self._layers = {id(one): path for one, path in outline.layers} if outline else {}
        # One of a program that nobody told of, or built since.
        within = "" if outer.startswith(":gradients") else outer
        return self._layers.get(id(layer)) or (f"{within}/{layer.name}" if within else str(layer.name))

    def _of_update(self, optimizer: Any, arguments: tuple[Any, ...], outer: str) -> str | None:
        # Of the gradient and the variable.
        path = self._paths().get(id(arguments[1])) if len(arguments) > 1 else None
        return f":update/{path}" if path else None

    def _of_assignment(self, variable: Any, arguments: tuple[Any, ...], outer: str) -> str | None:
        """What a step itself does to a layer's variable: a teacher's follows a student's."""
        path = None if outer else self._paths().get(id(_tensorflows(variable)))
        return f":update/{path}" if path else None

    def _paths(self) -> dict[int, str]:
        """The paths of layers' variables, by the identity of TensorFlow's: Keras has those updated."""
        if self._variables is None:
            layers = {path for _, path in self._program.outline().layers} if self._program else set()
            named = self._program.variables().values() if self._program else ()
            of_layers = ((one, path) for one, path in named if path.rpartition("/")[0] in layers)
            self._variables = {id(_tensorflows(variable)): path for variable, path in of_layers}
        return self._variables


def _tensorflows(variable: Any) -> Any:
    return getattr(variable, "_value", variable)


def _of_loss(loss: Any, arguments: tuple[Any, ...], outer: str) -> str:
    """A loss that Keras calls lies within that of the whole model."""
    if loss.name == "compile_loss":
        return ":loss"
    return f"{outer}/{loss.name}" if outer.startswith(":loss") else f":loss/{loss.name}"


def _overriding(of: type, name: str, scope: Scope) -> Iterator[tuple[type, str, Scope]]:
    """The class that gives `of` its method, and every class below that has one of its own."""
    classes = {owner: None for owner in of.__mro__ if name in owner.__dict__}
    waiting = [of]
    while waiting:
        below: list[type] = waiting.pop().__subclasses__()
        waiting.extend(below)
        classes.update((one, None) for one in below if name in one.__dict__)
    for owner in classes:
        yield owner, name, scope
