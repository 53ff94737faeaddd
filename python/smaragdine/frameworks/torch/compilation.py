"""Compilations by Dynamo: none happens within a window of ours, which it would otherwise see and guard on."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any


class Compilations:
    """Counts what `torch.compile` compiles, once the program has imported it."""

    def __init__(self, begins: Callable[[], object]) -> None:
        """`begins` is called when a compilation begins."""
        self._begins = begins
        self._handler: Any = None
        self._count = 0
        self._told = 0
        self._under_way = 0

    def watch(self) -> None:
        """Listens, as soon as there is something to listen to; nothing is imported."""
        if self._handler is not None:
            return
        module = sys.modules.get("torch._dynamo.callback")
        handler = getattr(module, "callback_handler", None)
        if handler is None:
            return
        try:
            handler.register_start_callback(self._start)
            handler.register_end_callback(self._end)
        except Exception:  # noqa: BLE001  another version; compilations are then not known
            return
        self._handler = handler

    def end(self) -> None:
        """Listens no more."""
        handler, self._handler = self._handler, None
        if handler is None:
            return
        for remove, own in (("remove_start_callback", self._start), ("remove_end_callback", self._end)):
            # It may have been cleared meanwhile.
            with suppress(Exception):
                getattr(handler, remove)(own)

    @property
    def under_way(self) -> bool:
        """Whether something compiles now."""
        return self._under_way > 0

    def new(self) -> int:
        """How many there were since this was last asked."""
        new, self._told = self._count - self._told, self._count
        return new

    def _start(self, *args: Any) -> None:
        self._count += 1
        self._under_way += 1
        self._begins()

    def _end(self, *args: Any) -> None:
        self._under_way = max(self._under_way - 1, 0)
