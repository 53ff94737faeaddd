"""Stretches that a program names itself: how they nest, and that they are told whatever happens in them."""

from __future__ import annotations

import threading
from itertools import pairwise
from typing import Any

import pytest

from smaragdine.daemon.messages import Span
from smaragdine.training.spans import Spans


def test_spans_nest_by_thread_and_tell_what_is_known_at_their_end() -> None:
    told: list[Span] = []
    spans = Spans(told.append)

    def beside() -> None:
        with spans.span("other thread"):
            pass

    with spans.span("request", requests=2):
        with spans.span("prefill", tokens=64):
            thread = threading.Thread(target=beside)
            thread.start()
            thread.join()
        with spans.span("decode") as decode:
            decode.tokens = 16
    by_name = {span.name: span for span in told}
    request = by_name["request"]
    assert [by_name[name].parent for name in ("request", "prefill", "decode", "other thread")] == [
        None,
        request.span,
        request.span,
        None,
    ]
    assert [(span.tokens, span.requests) for span in (request, by_name["decode"])] == [(0, 2), (16, 0)]
    assert all(request.start_ns <= span.start_ns <= span.end_ns <= request.end_ns for span in told)
    assert by_name["prefill"].end_ns <= by_name["decode"].start_ns
    assert len({span.span for span in told}) == 4


def test_a_span_that_raises_ends_there() -> None:
    told: list[Span] = []
    spans = Spans(told.append)
    with pytest.raises(ValueError, match="the program's"), spans.span("prefill"):
        raise ValueError("the program's")
    with spans.span("next"):
        pass
    assert [(span.name, span.parent) for span in told] == [("prefill", None), ("next", None)]


@pytest.mark.parametrize("nonsense", [-5, "many", None, float("inf"), float("nan")])
def test_counts_that_are_none_are_unknown(nonsense: Any) -> None:
    told: list[Span] = []
    with Spans(told.append).span("x", tokens=nonsense, requests=3.0):  # type: ignore[arg-type]
        pass
    assert (told[0].tokens, told[0].requests) == (0, 3)


def test_spans_that_end_out_of_order_keep_their_parents() -> None:
    told: list[Span] = []
    spans = Spans(told.append)
    first, second = spans.span("first"), spans.span("second")
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    with spans.span("third"):
        pass
    second.__exit__(None, None, None)
    parents = {span.name: span.parent for span in told}
    assert parents == {"first": None, "second": 0, "third": 1}
    assert all(one.end_ns <= other.end_ns for one, other in pairwise(told))
