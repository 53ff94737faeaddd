"""Marks around the calls of modules: a patch of `torch.nn.Module.__call__` that exists only while a window is open."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from types import FrameType
from typing import Any

from smaragdine.frameworks.torch.keras_optimizers import KerasOptimizers
from smaragdine.frameworks.torch.paths import class_name, paths, snake

# The daemon knows ours by it; `?` follows where a module is outside the model, `=` where the whole of it is only named.
_PREFIX = "smaragdine:"
# So deep are calls looked through for one of a module's.
_DEEPEST = 200


class Marks:
    """Of the modules of some models, and without any, of the outermost modules that are called."""

    def __init__(self, torch: Any, models: Sequence[Any]) -> None:
        self._torch = torch
        self._models = list(models)
        self._known = bool(self._models)
        self._optimizers = KerasOptimizers(torch)
        # Of the window that is open. Modules by id, for one may define what equality is; held, so that none takes
        # another's place.
        self._marks: dict[int, str] = {}
        self._held: list[Any] = []
        self._original: Any = None
        self._patch: Any = None
        self.layer_paths: list[str] = []

    @property
    def is_open(self) -> bool:
        """Whether modules' calls are marked."""
        return self._patch is not None

    def open(self) -> None:
        """Marks calls from now on."""
        for module, path in paths(self._models):
            self._learn(module, f"{_PREFIX}{path}")
        self.layer_paths = [mark.removeprefix(_PREFIX) for mark in dict.fromkeys(self._marks.values())]
        cls = self._torch.nn.Module
        self._original = cls.__call__
        self._patch = cls.__call__ = self._marking(self._original)
        self._optimizers.open()
        if self._known and len(self._models) == 1 and self.layer_paths:
            # Whose is what was compiled together, without a call of the model's.
            with self._torch._C._profiler._RecordFunctionFast(f"{_PREFIX}={self.layer_paths[0]}"):
                pass

    def close(self) -> None:
        """Marks no more, and lets go of the modules. Where another patched over ours, ours stays and does nothing."""
        self._optimizers.close()
        patch, self._patch = self._patch, None
        cls = self._torch.nn.Module
        if patch is not None and cls.__call__ is patch:
            cls.__call__ = self._original
        self._marks.clear()
        self._held.clear()

    def _marking(self, original: Any) -> Any:
        marks, find = self._marks, self._find
        compiling = self._torch.compiler.is_compiling
        mark_as = self._torch._C._profiler._RecordFunctionFast

        def smaragdine_call(module: Any, *args: Any, **kwargs: Any) -> Any:
            # The first for Dynamo, which then compiles what it would without us.
            if compiling() or self._patch is None:
                return original(module, *args, **kwargs)
            mark = marks.get(id(module))
            if mark is None:
                mark = find(module)
            if not mark:
                return original(module, *args, **kwargs)
            with mark_as(mark):
                return original(module, *args, **kwargs)

        _CODES.add(smaragdine_call.__code__)
        return smaragdine_call

    def _find(self, module: Any) -> str:
        """The mark of a module that is called for the first time in this window; empty where it has none.

        One that is made within another's call is a part of that. An outermost one is a model of its own where none was
        named, a loss aside; else it is outside the model.
        """
        if _within_another():
            mark = ""
            self._learn(module, mark)
            return mark
        loss = isinstance(module, getattr(self._torch.nn.modules.loss, "_Loss", ()))
        if self._known or loss or not getattr(module, "_modules", None):
            outside = "?"
            found = [(own, path) for own, path in paths([module])]
        else:
            outside = ""
            self._models.append(module)
            found = [(own, path) for own, path in paths(self._models)]
            self.layer_paths = [path for _, path in found]
        for own, path in found:
            self._learn(own, f"{_PREFIX}{outside}{path}")
        return self._marks.get(id(module), f"{_PREFIX}?{snake(class_name(module))}")

    def _learn(self, module: Any, mark: str) -> None:
        if id(module) not in self._marks:
            self._marks[id(module)] = mark
            self._held.append(module)

    def forget(self) -> None:
        """Lets go of models that were found rather than named: at the end of a window."""
        if not self._known:
            self._models.clear()


# Of every patch there was, by which a call is known on the stack.
_CODES: set[Any] = set()


def _within_another() -> bool:
    # Behind this one are `_find`'s caller, the call that asks, and what called it.
    frame: FrameType | None = sys._getframe(3)
    for _ in range(_DEEPEST):
        if frame is None:
            return False
        if frame.f_code in _CODES:
            return True
        frame = frame.f_back
    return False
