"""Scopes for what Keras runs operation by operation: an eager operation has no name, only a place in time.

While a window is open, every call of a layer, loss, metric, optimizer and gradient tape is annotated in the profile
with the scope that a compiled function would give its operations: `bert/encoder/layer_0`, `gradient_tape`.
"""

from __future__ import annotations

import functools
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

# What the daemon knows our annotations by.
MARK = "smaragdine:"

# Of an object that is called, within the scope around it.
Scope = Callable[[Any, str], str]


class Scopes:
    """Annotates calls between `open` and `close`. A function that is being compiled has scopes of its own."""

    def __init__(self) -> None:
        self._within = threading.local()
        self._replaced: list[tuple[type, str, Any, Any]] = []

    def open(self) -> None:
        for owner, name, scope in _callers():
            original = owner.__dict__[name]
            annotated = self._annotated(original, scope)
            setattr(owner, name, annotated)
            self._replaced.append((owner, name, original, annotated))

    def close(self) -> None:
        while self._replaced:
            owner, name, original, annotated = self._replaced.pop()
            # What another has put over ours since calls the original in the end.
            if owner.__dict__.get(name) is annotated:
                setattr(owner, name, original)

    @property
    def current(self) -> str:
        """The scope of this thread."""
        return getattr(self._within, "scope", "")

    def _annotated(self, function: Any, scope: Scope) -> Any:
        import tensorflow as tf

        within = self._within

        @functools.wraps(function)
        def call(this: Any, *arguments: Any, **options: Any) -> Any:
            if not self._replaced or not tf.executing_eagerly():
                return function(this, *arguments, **options)
            outer = self.current
            own = scope(this, outer)
            within.scope = f"{outer}/{own}" if outer else own
            try:
                with tf.profiler.experimental.Trace(MARK + within.scope):
                    return function(this, *arguments, **options)
            finally:
                within.scope = outer

        return call


def _callers() -> Iterator[tuple[type, str, Scope]]:
    """The classes whose calls are annotated, the method's name, and the scope's."""
    import tensorflow as tf

    yield tf.GradientTape, "gradient", lambda tape, outer: "gradient_tape"
    # Who has not imported Keras has no layers, and pays for no import here.
    if (keras := sys.modules.get("keras")) is None:
        return
    yield keras.layers.Layer, "__call__", lambda layer, outer: str(layer.name)
    yield from _overriding(keras.optimizers.Optimizer, "apply", lambda optimizer, outer: f"optimizer/{optimizer.name}")
    yield from _overriding(keras.losses.Loss, "__call__", _of_loss)
    yield from _overriding(keras.metrics.Metric, "update_state", lambda metric, outer: f"metrics/{metric.name}")


def _of_loss(loss: Any, outer: str) -> str:
    """A loss that Keras calls lies within `compile_loss`; one that the user's own loop calls says what it is."""
    return str(loss.name) if outer or loss.name == "compile_loss" else f"loss/{loss.name}"


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
