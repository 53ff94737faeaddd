"""From what the browser sends to the page's state: every gesture, an import, an address, and undoing."""

from __future__ import annotations

import base64
import binascii
import json
import secrets
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from dash import ALL, Dash, Input, Output, State, ctx, html, no_update

from smaragdine.accounts.words import LAYER_WORDS
from smaragdine.errors import SmaragdineError, UsageError
from smaragdine.view.session import Session
from smaragdine.view.shelf import Shelf, imported
from smaragdine.view.what_if import change
from smaragdine.view.what_if.field import is_shown
from smaragdine.view.what_if.state import State as Now

_MOST_UNDONE = 50
_MOST_TABS = 64
# Base64 makes four bytes of three, and the door lets a request of 1 MiB in.
_LARGEST = 700_000


def kept(state: Now, past: list[Any], shelf: Shelf, tab: str = "") -> dict[str, Any]:
    """What the browser keeps: it can send anything back, so all of it is checked again."""
    return {
        "tab": tab or secrets.token_hex(8),
        "now": state.to_json(),
        "past": past[-_MOST_UNDONE:],
        "address": state.address(shelf) if shelf.names else "",
    }


def register(app: Dash, session: Session) -> None:
    latest: dict[str, tuple[Any, list[Any]]] = {}

    @app.callback(
        Output("what-if", "data"),
        Output("said", "children"),
        Output("add", "value"),
        Output("upload", "contents"),
        Output("map", "clickData"),
        Input({"do": ALL, "to": ALL}, "n_clicks"),
        Input({"set": ALL, "of": ALL, "was": ALL}, "value"),
        Input("map", "clickData"),
        Input("add", "value"),
        Input("upload", "contents"),
        Input("address", "hash"),
        Input("place", "data"),
        State("upload", "filename"),
        State("what-if", "data"),
        prevent_initial_call=True,
    )
    def changed(
        _do: Any, _set: Any, _map: Any, _add: Any, _upload: Any, _hash: Any, _place: Any, file: str, held: Any
    ) -> Any:
        shelf = session.shelf
        tab, now, past = _now(held, latest, shelf)
        before = now
        try:
            for one in ctx.triggered:
                now, past = _gesture(now, past, shelf, one["prop_id"], one["value"], str(file or "the file"))
        except SmaragdineError as error:
            # Fields show again what holds.
            return kept(before, past, shelf, tab), html.P(str(error), className="notice"), None, None, None
        if now != before:
            undone = any('"undo"' in one["prop_id"] for one in ctx.triggered)
            past = past if undone else [*past, before.to_json()]
        latest.pop(tab, None)
        latest[tab] = (now.to_json(), past[-_MOST_UNDONE:])
        if len(latest) > _MOST_TABS:
            del latest[next(iter(latest))]
        if now == before and held.get("now") == now.to_json():
            return no_update, no_update, None, None, None
        return kept(now, past, shelf, tab), "", None, None, None


def _now(held: Any, latest: Mapping[str, tuple[Any, list[Any]]], shelf: Shelf) -> tuple[str, Now, list[Any]]:
    """What holds for one tab of a browser: of two gestures in a hurry the second still sends what was before both."""
    told = held if isinstance(held, dict) else {}
    tab = str(told.get("tab", ""))[:32]
    state, past = latest.get(tab, (told.get("now"), told.get("past", [])))
    try:
        return tab, Now.of_json(state, shelf), [Now.of_json(one, shelf).to_json() for one in past[-_MOST_UNDONE:]]
    except (SmaragdineError, TypeError):
        return tab, Now.first(shelf), []


def _gesture(now: Now, past: list[Any], shelf: Shelf, prop: str, value: Any, file: str) -> tuple[Now, list[Any]]:
    named, _, _ = prop.rpartition(".")
    if named == "map":
        place = value["points"][0].get("customdata") if value else None
        return (change.clicked(now, str(place)) if place else now), past
    if named == "add":
        return change.typed(now, shelf, "add", None, value), past
    if named == "upload":
        return (_uploaded(now, shelf, value, file) if value else now), past
    if named == "place":
        return opened(now, shelf, value), past
    if named == "address":
        return addressed(now, shelf, str(value or "")), past
    told = json.loads(named) if named.startswith("{") else {}
    if "set" in told and is_shown(told, value):
        return now, past
    if "set" in told:
        return change.typed(now, shelf, told["set"], told["of"], value), past
    if "do" not in told or not value:
        return now, past
    if told["do"] == "undo":
        return (Now.of_json(past[-1], shelf), past[:-1]) if past else (now, past)
    return change.pressed(now, shelf, told["do"], told["to"]), past


def opened(now: Now, shelf: Shelf, place: Any) -> Now:
    """The layer that was opened on another tab, where the profile that is shown has it."""
    path = str((place or {}).get("path", "")).removeprefix("gradients/")
    layers = shelf.profiles[now.profile].layers
    rows = layers.rows if layers and path else ()
    held = any(row.layer == path or row.layer.startswith(f"{path}/") for row in rows)
    return now.varied(layer=path) if held and path not in LAYER_WORDS else now


def addressed(now: Now, shelf: Shelf, text: str) -> Now:
    told = dict(parse_qsl(text.removeprefix("#")))
    return Now.of_address(told["if"], shelf) if "if" in told else now


def _uploaded(now: Now, shelf: Shelf, contents: str, file: str) -> Now:
    try:
        data = base64.b64decode(contents.partition(",")[2], validate=True)
        text = data.decode("utf-8-sig")
    except (binascii.Error, UnicodeDecodeError):
        raise UsageError(f"{file} is no text in UTF-8") from None
    if len(data) > _LARGEST:
        raise UsageError(
            f"{file} is larger than {_LARGEST} bytes", f"name it on the command line: smaragdine view {file}"
        )
    place, told = imported(shelf, text, file)
    if told is None:
        return change.pressed(now, shelf, "profile", place)
    assert isinstance(told, dict)
    state = told["state"] if isinstance(told["state"], dict) else {}
    return Now.of_json(state | {"profile": place, "overlays": told["overlays"]}, shelf)
