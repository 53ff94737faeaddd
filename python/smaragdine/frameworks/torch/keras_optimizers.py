"""Marks around the updates of Keras' optimizers on PyTorch, which are none of PyTorch's own and mark nothing."""

from __future__ import annotations

import sys
from typing import Any

# As PyTorch marks its own.
_MARK = "Optimizer.step#{}.apply"


class KerasOptimizers:
    """A patch of `keras.optimizers.Optimizer.apply` that exists only while a window is open."""

    def __init__(self, torch: Any) -> None:
        self._torch = torch
        self._cls: Any = None
        self._patch: Any = None

    def open(self) -> None:
        """Marks updates from now on, where Keras runs on PyTorch."""
        keras = sys.modules.get("keras")
        cls = getattr(getattr(keras, "optimizers", None), "Optimizer", None)
        if keras is None or cls is None or keras.backend.backend() != "torch" or "apply" in vars(cls):
            return
        # Of a class above, which other optimizers may have, too.
        original = cls.apply
        mark_as = self._torch._C._profiler._RecordFunctionFast
        compiling = self._torch.compiler.is_compiling

        def smaragdine_apply(optimizer: Any, *args: Any, **kwargs: Any) -> Any:
            if compiling() or self._patch is None:
                return original(optimizer, *args, **kwargs)
            with mark_as(_MARK.format(type(optimizer).__name__)):
                return original(optimizer, *args, **kwargs)

        self._cls = cls
        self._patch = cls.apply = smaragdine_apply

    def close(self) -> None:
        """Marks no more. Where another patched over ours, ours stays and does nothing."""
        patch, self._patch = self._patch, None
        if patch is not None and vars(self._cls).get("apply") is patch:
            del self._cls.apply
