"""Stretches that a program names itself, which may nest, on any thread."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from smaragdine.daemon.messages import Span


@dataclass(eq=False, slots=True)
class SpanMark:
    """A span that runs; how much it makes may be known only at its end."""

    name: str
    tokens: int = 0
    requests: int = 0


class Spans:
    """Numbers spans, and sends each once it has ended."""

    def __init__(self, send: Callable[[Span], None], numbers: Iterator[int] | None = None) -> None:
        """`numbers` are shared with whoever else sends spans of the same recording."""
        self._send = send
        self._numbers = itertools.count() if numbers is None else numbers
        self._open = threading.local()

    @contextmanager
    def span(self, name: str, *, tokens: int = 0, requests: int = 0) -> Iterator[SpanMark]:
        """Around code of the program's own; one that raises has ended there."""
        number, mark = next(self._numbers), SpanMark(str(name), tokens, requests)
        around: list[int] = self._open.__dict__.setdefault("numbers", [])
        parent = around[-1] if around else None
        around.append(number)
        start_ns = time.monotonic_ns()
        try:
            yield mark
        finally:
            end_ns = time.monotonic_ns()
            around.remove(number)
            counts = (_count(mark.tokens), _count(mark.requests))
            self._send(Span(number, mark.name, parent, start_ns, end_ns, *counts))


def _count(told: object) -> int:
    """A whole number from 0; 0 for anything else."""
    try:
        return max(int(told), 0)  # type: ignore[call-overload, no-any-return]
    except (TypeError, ValueError, OverflowError):
        return 0
