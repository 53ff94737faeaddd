"""The tab's layout, and what its controls do."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

from dash import Dash, Input, Output, State, ctx, dcc, html, no_update
from flask import Response, abort

from smaragdine.errors import SmaragdineError
from smaragdine.figures import consumption, regions
from smaragdine.figures.consumption import Compared, hovered
from smaragdine.figures.regions import borders
from smaragdine.shown import json_text
from smaragdine.view.drawing import as_shown
from smaragdine.view.session import Session
from smaragdine.view.shelf import Shelf, scenario_file
from smaragdine.view.what_if import cards, equations, gestures
from smaragdine.view.what_if.answer import answer, home
from smaragdine.view.what_if.field import field
from smaragdine.view.what_if.gestures import addressed, kept, opened
from smaragdine.view.what_if.state import State as Now
from smaragdine.what_if import parts
from smaragdine.what_if.course import QUANTITIES

_MAPS = "/maps/"
_GRAPH = {"displayModeBar": False, "responsive": True, "topojsonURL": _MAPS}


def asset(name: str) -> str:
    return files("smaragdine.view.what_if").joinpath(name).read_text(encoding="utf-8")


def layout(shelf: Shelf, address: str, place: Any) -> html.Div:
    """As the address has it; one that makes no sense is told, and the first profile shown as it is."""
    first, said = opened(Now.first(shelf), shelf, place), ""
    try:
        first = addressed(first, shelf, address)
    except SmaragdineError as error:
        said = str(error)
    return html.Div(
        [
            dcc.Store("what-if", data=kept(first, [], shelf)),
            dcc.Store("formulas"),
            dcc.Download("download"),
            html.Section(
                [
                    html.Div(id="chips"),
                    html.Div(
                        [
                            dcc.Upload(html.Button("Import …"), id="upload", multiple=False),
                            _button("save-profile", "Save profile"),
                            _button("save-scenario", "Save scenario"),
                            _button("save-page", "Save as HTML"),
                            html.Button("Undo", id={"do": "undo", "to": ""}, n_clicks=0, title="Ctrl-Z"),
                            html.Button("Reset", id={"do": "reset", "to": ""}, n_clicks=0),
                        ],
                        className="does",
                    ),
                    html.Div(html.P(said, className="notice") if said else "", id="said", role="status"),
                    html.Div(id="about"),
                ]
            ),
            html.Section(
                [
                    html.Div([html.Div(id="totals"), _chart(first), html.H3("Formulas"), html.Div(id="math"),
                              html.Div(id="constants")]),
                    html.Div([_regions(first), html.H3("Hours"), html.Div(id="hours")]),
                    html.Div([html.H3("Hardware"), html.Div(id="hardware"),
                              dcc.Dropdown([], None, id="add", placeholder="add a GPU or CPU by its name …")]),
                    html.Div([html.H3("Layers"), html.Div(id="layers")]),
                ],
                className="columns",
            ),
        ],
        className="what-if",
    )  # fmt: skip


def _button(id: str, word: str) -> html.Button:
    return html.Button(word, id=id, n_clicks=0)


def _chart(first: Now) -> html.Div:
    def stepper(what: str, word: str) -> html.Span:
        return html.Span(
            [html.Button("−", id={"do": what, "to": "less"}, n_clicks=0, **{"aria-label": f"fewer {word}"}),
             html.Span("0", id=what), html.Button("+", id={"do": what, "to": "more"}, n_clicks=0,
                                                  **{"aria-label": f"more {word}"}), f" {word}"],
            className="stepper",
        )  # fmt: skip

    cumulative = "1" if first.cumulative else ""
    sums = [{"label": "each", "value": ""}, {"label": "cumulative", "value": "1"}]
    return html.Div(
        [
            html.Div(
                [
                    dcc.RadioItems(list(QUANTITIES), first.quantity, id=field("quantity"), inline=True,
                                   className="choice"),
                    dcc.RadioItems(sums, cumulative, id=field("cumulative"), inline=True,
                                   className="choice"),
                    html.Span([stepper("backwards", "before"), stepper("forwards", "further")]),
                ],
                className="choices",
            ),
            dcc.Graph(id="consumption", config=_GRAPH),
        ]
    )  # fmt: skip


def _regions(first: Now) -> html.Div:
    return html.Div(
        [
            html.H3("Regions"),
            dcc.RadioItems(cards.MAPS, first.map, id=field("map"), inline=True, className="choice"),
            dcc.Graph(id="map", config=_GRAPH, clear_on_unhover=True),
            dcc.Input(id=field("find"), placeholder="search a place", type="search", className="wide"),
            html.Div(id="places"),
        ]
    )


def register(app: Dash, session: Session) -> None:
    """All of the tab's callbacks, and the maps' borders behind the same door."""

    @app.callback(
        Output("what-if-panel", "children"), Input("tab", "value"), State("what-if-panel", "children"),
        State("address", "hash"), State("place", "data"),
    )  # fmt: skip
    def made(tab: str, held: Any, address: str | None, place: Any) -> Any:
        """Made when it is first looked at: the other tabs open without waiting for it."""
        return no_update if held or tab != "what-if" else layout(session.shelf, address or "", place)

    @app.server.route(f"{_MAPS}<name>")
    def topology(name: str) -> Response:
        content = borders(name)
        return abort(404) if content is None else Response(content, mimetype="application/json")

    gestures.register(app, session)
    _show(app, session)
    _save(app, session)
    app.clientside_callback(
        "(formulas) => { document.getElementById('math').innerHTML = formulas || ''; return '' }",
        Output("math", "title"), Input("formulas", "data"),
    )  # fmt: skip
    app.clientside_callback(
        "(held) => { window.smaragdine.kept(held.address); return window.dash_clientside.no_update }",
        Output("formulas", "clear_data"), Input("what-if", "data"),
    )  # fmt: skip

    @app.callback(Output("add", "options"), Input("add", "search_value"))
    def found(text: str | None) -> list[dict[str, str]]:
        return [{"label": name, "value": f"gpu:{name}"} for name in parts.search(text or "", 30)] + [
            {"label": name, "value": f"cpu:{name}"} for name in parts.search_cpus(text or "", 20)
        ]


def _show(app: Dash, session: Session) -> None:
    @app.callback(Output("consumption", "figure"), Input("what-if", "data"))
    def chart(held: Any) -> Any:
        now = Now.of_json(held["now"], session.shelf)
        compared = answer(now, session.shelf).compared
        figure = as_shown(_figure(now, compared))
        figure["layout"]["meta"] = hovered(compared, now.quantity, now.cumulative)
        return figure

    app.clientside_callback(
        "(hover) => { window.smaragdine.hovered(hover); return window.dash_clientside.no_update }",
        Output("map", "relayoutData"), Input("map", "hoverData"),
    )  # fmt: skip

    @app.callback(
        Output("chips", "children"), Output("about", "children"), Output("totals", "children"),
        Output("constants", "children"), Output("formulas", "data"), Output("hardware", "children"),
        Output("hours", "children"), Output("layers", "children"), Output("places", "children"),
        Output("forwards", "children"), Output("backwards", "children"), Input("what-if", "data"),
        Input("taken", "data"),
    )  # fmt: skip
    def all_of_it(held: Any, _taken: Any) -> Any:
        shelf = session.shelf
        now = Now.of_json(held["now"], shelf)
        profile = shelf.profiles[now.profile]
        told = answer(now, shelf)
        course = told.compared.alternative or told.compared.present
        problem = [html.P(told.problem, className="notice")] if told.problem else []
        note = [html.P(told.note, className="fine")] if told.note else []
        return (
            cards.profiles(now, shelf), [*cards.about(profile), *problem, *note], equations.totals(told.compared),
            equations.card(now, profile, course), equations.typeset(profile, course), cards.hardware(now, profile),
            cards.hours(now, profile), cards.layers(now, profile), cards.place_list(now, profile),
            str(now.forwards), str(now.backwards),
        )  # fmt: skip

    @app.callback(Output("map", "figure"), Input("what-if", "data"))
    def map_of(held: Any) -> Any:
        shelf = session.shelf
        now = Now.of_json(held["now"], shelf)
        here = home(shelf.profiles[now.profile], now.map)
        return as_shown(regions(now.map, here=here, chosen=now.scenario.region or None))

    for what in ("quantity", "cumulative", "map", "find"):
        _follow(app, what)


def _follow(app: Dash, what: str) -> None:
    """Choices that stay on the page show what an address, a file or undoing made of the state."""
    app.clientside_callback(
        f"(_, kept, shown) => {{ const now = kept.now[{what!r}];"
        " const told = now === true ? '1' : now === false ? '' : now;"
        " return told === (shown ?? '') ? window.dash_clientside.no_update : told }",
        Output(field(what), "value"), Input("what-if", "modified_timestamp"), State("what-if", "data"),
        State(field(what), "value"),
    )  # fmt: skip


def _figure(now: Now, compared: Compared) -> Any:
    return consumption(
        compared, now.quantity, cumulative=now.cumulative, forwards=now.forwards, backwards=now.backwards
    )


def _save(app: Dash, session: Session) -> None:
    @app.callback(
        Output("download", "data"), Input("save-profile", "n_clicks"), Input("save-scenario", "n_clicks"),
        Input("save-page", "n_clicks"), State("what-if", "data"), prevent_initial_call=True,
    )  # fmt: skip
    def save(_profile: int, _scenario: int, _page: int, held: Any) -> Any:
        shelf = session.shelf
        now = Now.of_json(held["now"], shelf)
        if ctx.triggered_id == "save-profile":
            return dcc.send_string(json_text(shelf.profiles[now.profile].to_json()), "profile.json")
        if ctx.triggered_id == "save-scenario":
            return dcc.send_string(scenario_file(shelf, now.profile, now.overlays, now.to_json()), "scenario.json")
        figure = _figure(now, answer(now, shelf).compared)
        return dcc.send_string(figure.to_html(include_plotlyjs=True, full_html=True), "what-if.html")
