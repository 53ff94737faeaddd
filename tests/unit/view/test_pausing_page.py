"""The button by which a training is paused, by what was told last."""

from __future__ import annotations

import pytest

from smaragdine.daemon.client import Live

pytest.importorskip("dash")

from smaragdine.view.pausing import shown


@pytest.mark.parametrize(
    ("last", "word", "off", "words"),
    [
        (None, "Pause", True, ""),
        (Live(1, {}, {}), "Pause", True, "pausable=True"),
        (Live(1, {}, {}, pausable=True), "Pause", False, "it runs"),
        (Live(1, {}, {}, pausable=True, pausing=True), "Go on", False, "once its step has ended"),
        (Live(1, {}, {}, pausable=True, pausing=True, paused=True), "Go on", False, "stands still"),
        # It was let go on, and has not said yet that it does.
        (Live(1, {}, {}, pausable=True, paused=True), "Pause", False, "it runs"),
    ],
)
def test_the_button_says_what_it_does(last: Live | None, word: str, off: bool, words: str) -> None:
    told = shown(last)
    assert told[:2] == (word, off)
    assert words in told[2]


def test_of_a_job_that_ended_nothing_is_paused() -> None:
    assert shown(Live(1, {}, {}, pausable=True), ended=True) == ("Pause", True, "")
