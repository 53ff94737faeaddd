"""A button by which a running training is paused and goes on, and what stands beside it in words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dash import Dash, Input, Output, State, html

from smaragdine.daemon.client import Live
from smaragdine.errors import SmaragdineError

_PAUSE, _GO_ON = "Pause", "Go on"
_CANNOT = (
    "this training cannot be paused: it did not say that it can; give its callback, its hook or `smaragdine.record` "
    "pausable=True"
)


def layout(of: str) -> html.Div:
    return html.Div(
        [
            html.Button(_PAUSE, id=f"pause-{of}", n_clicks=0, disabled=True),
            html.Span(id=f"pausing-{of}", role="status"),
            html.Span(id=f"asked-{of}", role="status", className="then"),
        ],
        className="does what-if",
    )


def outputs(of: str) -> list[Output]:
    """What `shown` gives."""
    return [
        Output(f"pause-{of}", "children"), Output(f"pause-{of}", "disabled"), Output(f"pausing-{of}", "children")
    ]  # fmt: skip


def shown(last: Live | None, *, ended: bool = False) -> tuple[str, bool, str]:
    """The button's word, whether it is out of use, and how it stands with the training, by what was told last."""
    if last is None or ended:
        return _PAUSE, True, ""
    if not last.pausable:
        return _PAUSE, True, _CANNOT
    if last.paused and last.pausing:
        return _GO_ON, False, "paused: it stands still between two steps"
    if last.pausing:
        return _GO_ON, False, "it pauses once its step has ended"
    return _PAUSE, False, "it runs"


def register(app: Dash, of: str, ask: Callable[[bool], None]) -> None:
    """`ask` raises SmaragdineError where it may not be asked, or does not answer."""

    @app.callback(
        Output(f"asked-{of}", "children"), Input(f"pause-{of}", "n_clicks"), State(f"pause-{of}", "children"),
        prevent_initial_call=True,
    )  # fmt: skip
    def pressed(_: int, word: str) -> Any:
        try:
            # What the button said when it was pressed, whatever came since.
            ask(word == _PAUSE)
        except SmaragdineError as error:
            return str(error)
        return ""
