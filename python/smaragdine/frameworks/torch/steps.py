"""The steps of a loop that marks none: an optimizer's step ends one, and begins the next."""

from __future__ import annotations

import sys
import threading
import weakref
from typing import Any

from smaragdine.training.training import Training


class OptimizerSteps:
    """Marks steps by the first optimizer that steps, on the thread that trains."""

    def __init__(self, training: Training) -> None:
        self._training = training
        self._thread = threading.get_ident()
        self._first: weakref.ref[Any] | None = None
        self._handle: Any = None
        # Not by `torch.optim`, which hides it.
        module = sys.modules.get("torch.optim.optimizer")
        register = getattr(module, "register_optimizer_step_post_hook", None)
        if register is not None:
            self._handle = register(self._stepped)
            training.open_ended = True
            training.step_begins()

    def end(self) -> None:
        """No more: the loop marks its steps itself, and the one that runs is none."""
        self.stop()
        self._training.abandon()

    def stop(self) -> None:
        """No more: the recording has ended."""
        handle, self._handle = self._handle, None
        if handle is not None:
            handle.remove()

    def _stepped(self, optimizer: Any, *_: object) -> None:
        if self._handle is None or threading.get_ident() != self._thread:
            return
        first = self._first() if self._first is not None else None
        if first is None:
            self._first = weakref.ref(optimizer)
        elif first is not optimizer:
            return
        self._training.step_ended(logs={})
        self._training.step_begins()
