"""Where eager operations ran, so that their gradients lead to the same layer.

TensorFlow has each operation's gradient taken by one function, which is told the operation's type and what its gradient
needs of inputs and outputs, not where the operation ran. But tensors are numbered in the order in which they are made,
and so is every entrance and exit of a layer here: a tensor's number says which layer made it.
"""

from __future__ import annotations

import inspect
import threading
from bisect import bisect_right
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, suppress
from os.path import commonpath
from typing import Any, NamedTuple

# Steps are forgotten once this many entrances and exits are known.
_MOST_MARKS = 200_000


class _Source(NamedTuple):
    """The operation whose gradient gave a tensor: gradients of its inputs are those of other operations' outputs."""

    input_id: int | None
    """The tensor that this is the gradient of, where the operation's gradient was told of it."""
    position: int | None
    scope: str


class Marks(threading.local):
    """Entrances and exits of scopes on one thread, among the numbers of tensors."""

    def __init__(self) -> None:
        self._ids: list[int] = []
        self._scopes: list[str] = []
        self.current = ""
        self.sources: dict[int, list[_Source]] = {}
        self.claimed: set[int] = set()

    def enter(self, scope: str) -> str:
        """From now on, tensors are made in `scope`; also at an exit, with the scope around. Returns the one before."""
        from tensorflow.python.framework import ops

        if len(self._ids) > _MOST_MARKS:
            del self._ids[: _MOST_MARKS // 2], self._scopes[: _MOST_MARKS // 2]
        self._ids.append(ops.uid())
        self._scopes.append(scope)
        outer, self.current = self.current, scope
        return outer

    def scope(self, number: int) -> str:
        index = bisect_right(self._ids, number)
        return self._scopes[index - 1] if index else ""

    def beside(self, number: int, step: int) -> int:
        """The number of the tensor before or after this, as far as only marks lie between."""
        number += step
        while (index := bisect_right(self._ids, number)) and self._ids[index - 1] == number:
            number += step
        return number

    def clear(self) -> None:
        self._ids.clear()
        self._scopes.clear()
        self.forget()

    def forget(self) -> None:
        """Gradients are taken anew."""
        self.sources.clear()
        self.claimed.clear()


class Gradients:
    """Annotates, between `open` and `close`, each operation's gradient with the scope in which the operation ran."""

    def __init__(self, marks: Marks, annotated: Callable[[str], AbstractContextManager[Any]]) -> None:
        """`annotated` is entered around what computes the gradients of a scope."""
        self._marks = marks
        self._annotated = annotated
        self._undo: list[Callable[[], object]] = []

    def open(self) -> None:
        from tensorflow.python import pywrap_tfe
        from tensorflow.python.eager import backprop, record

        self._marks.clear()
        gradient, space, recorded = backprop._gradient_function, backprop._default_vspace, record.record_operation
        pywrap_tfe.TFE_Py_RegisterGradientFunction(self._of_operation(gradient))
        self._undo.append(lambda: pywrap_tfe.TFE_Py_RegisterGradientFunction(gradient))
        pywrap_tfe.TFE_Py_RegisterVSpace(space._replace(aggregate_fn=self._of_sum(space.aggregate_fn)))
        self._undo.append(lambda: pywrap_tfe.TFE_Py_RegisterVSpace(space))
        ours = record.record_operation = self._of_custom(recorded)

        def restore() -> None:
            # What another has put over ours since calls the original in the end.
            if record.record_operation is ours:
                record.record_operation = recorded

        self._undo.append(restore)

    def close(self) -> None:
        while self._undo:
            self._undo.pop()()
        self._marks.clear()

    def _of_operation(self, gradient: Callable[..., Any]) -> Callable[..., Any]:
        def found(*told: Any) -> Any:
            if not self._undo or not executing_eagerly():
                return gradient(*told)
            taken, position = [], None
            with suppress(Exception):  # it says less than it did; nothing here may end a training
                _, _, _, inputs, outputs, grads, *_ = told
                taken = _ids(inputs)
                position = self._position(_ids(outputs), taken, grads)
            return self._taken(taken, position, lambda: gradient(*told))

        return found

    def _of_custom(self, record: Callable[..., Any]) -> Callable[..., Any]:
        """A gradient of the program's own, `tf.custom_gradient`: where the operation runs is known beforehand."""
        signature = inspect.signature(record)

        def recorded(*told: Any, **options: Any) -> Any:
            if self._undo and executing_eagerly():
                with suppress(Exception):  # TensorFlow calls it otherwise than it did
                    bound = signature.bind(*told, **options)
                    bound.arguments["backward_function"] = self._known(**bound.arguments)
                    told, options = bound.args, bound.kwargs
            return record(*told, **options)

        return recorded

    def _known(self, output_tensors: Any, input_tensors: Any, backward_function: Any, **_: Any) -> Callable[..., Any]:
        position = max(number for number in _ids(output_tensors) if number is not None)
        taken = _ids(input_tensors)
        return lambda *grads: self._taken(taken, position, lambda: backward_function(*grads))

    def _of_sum(self, add: Callable[..., Any]) -> Callable[..., Any]:
        """A sum of gradients is of the innermost scope that all of them come from, as in a graph."""

        def summed(gradients: Any) -> Any:
            if not self._undo or len(gradients) < 2 or not executing_eagerly():
                return add(gradients)
            known = self._marks.sources
            parts = [known.get(one or -1, []) for one in _ids(gradients)]
            with self._annotated(_common(source.scope for part in parts for source in part)):
                result = add(gradients)
            if (number := getattr(result, "_id", None)) is not None:
                # What is added up are gradients of one tensor.
                of = set[int | None].intersection(*({source.input_id for source in part} for part in parts)) - {None}
                sources = [source for part in parts for source in part]
                known[number] = [source for source in sources if source.input_id in of] or sources
            return result

        return summed

    def _position(self, made: list[int | None], taken: list[int | None], grads: Any) -> int | None:
        """The number of a tensor that the operation made, or that is where it ran."""
        if known := [one for one in made if one is not None]:
            self._marks.claimed.update(known)
            return max(known)
        after = max((one for one in taken if one is not None), default=None)
        sources = [source for one in _ids(grads) for source in self._marks.sources.get(one or -1, ())]
        # One gradient may be that of several tensors: an addition gives all its inputs the same.
        possible = {source.input_id for source in sources if source.input_id is not None} - self._marks.claimed
        if exact := {one for one in possible if after is None or one > after}:
            number = max(exact) if after is None else min(exact)
            self._marks.claimed.add(number)
            return number
        if after is not None:
            return self._marks.beside(after, 1)
        before = [source.position for source in sources if source.position is not None]
        return self._marks.beside(min(before), -1) if before else None

    def _taken(self, inputs: list[int | None], position: int | None, gradient: Callable[[], Any]) -> Any:
        """Takes the gradients of an operation's inputs; one that is found nowhere has no scope."""
        scope = "" if position is None else self._marks.scope(position)
        with self._annotated(scope):
            result = gradient()
        for index, number in enumerate(_ids(result if isinstance(result, (list, tuple)) else [result])):
            if number is not None:
                source = _Source(inputs[index] if index < len(inputs) else None, position, scope)
                self._marks.sources.setdefault(number, []).append(source)
        return result


def _ids(tensors: Any) -> list[int | None]:
    if not isinstance(tensors, (list, tuple)):
        return []
    # Of an embedding's gradient, the values are what the next one takes.
    return [getattr(getattr(tensor, "values", tensor), "_id", None) for tensor in tensors]


def executing_eagerly() -> bool:
    """Whether operations run as they are called, and no function is being compiled."""
    import tensorflow as tf

    return bool(tf.executing_eagerly())


def _common(scopes: Iterable[str]) -> str:
    try:
        return commonpath(list(scopes))
    except ValueError:  # of none
        return ""
