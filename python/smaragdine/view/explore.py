"""The tab `explore`: layers and operations of a trace, on the sunburst and inside one layer."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from dash import ALL, Dash, Input, Output, Patch, State, ctx, dcc, html, no_update

from smaragdine.accounts.edd import EDD
from smaragdine.accounts.words import PER
from smaragdine.errors import SmaragdineError
from smaragdine.figures import distribution
from smaragdine.view import filters, operations
from smaragdine.view.drawing import KINDS, as_shown, draw
from smaragdine.view.ring import is_large, place, ring, scale_of
from smaragdine.view.selection import Selection
from smaragdine.view.session import Session

_MOST_UNDONE = 50
_KEPT = 8
_SELECTION = Input("selection", "data")


def layout(session: Session) -> html.Main:
    """Of one trace, or of several of the same thing."""
    graph = {"displayModeBar": False, "responsive": True}
    undo = html.Button("Undo", id="back", n_clicks=0, title="the layer that was open before: Ctrl-Z")
    return html.Main(
        [
            html.Section(
                [
                    html.Div([*filters.layout(session), undo], className="choices what-if"),
                    html.Div(
                        [
                            # On a narrow screen a ring needs no more height than its width, and room for the colours.
                            dcc.Graph(id="sunburst", config=graph, style={"height": "min(640px, 100vw + 60px)"}),
                            html.Div(
                                [
                                    html.Nav(id="crumbs"),
                                    dcc.Graph(id="level", config={"displayModeBar": False}, className="scroll"),
                                ],
                                className="levels",
                            ),
                        ],
                        className="pair",
                    ),
                ]
            ),
            operations.layout(session),
            html.Section(
                [
                    dcc.RadioItems(list(KINDS), "stef", id="kind", inline=True, className="choice"),
                    html.Div(dcc.Graph(id="figure", config=graph), className="scroll"),
                ]
            ),
        ]
    )


def warm(session: Session) -> list[Callable[[], object]]:
    """What makes what a page asks for when it opens: of a large program that takes a while."""
    if not session.paths or session.recording:
        return []
    first = session.first
    return [
        lambda: ring(session, first, ""),
        lambda: operations.fitting(session, first, PER[0]),
        lambda: picture("stef", session, first, ""),
    ]


def register(app: Dash, session: Session) -> None:
    filters.register(app)
    _open(app, session)
    _draw(app, session)
    operations.register(app, session)


def _open(app: Dash, session: Session) -> None:
    """Which layer is open: told by a click on either picture or an operation, or on the way back."""

    @app.callback(
        Output("place", "data"),
        Input("sunburst", "clickData"),
        Input("level", "clickData"),
        Input({"crumb": ALL}, "n_clicks"),
        Input("opening", "data"),
        Input("back", "n_clicks"),
        State("place", "data"),
        State("selection", "data"),
        prevent_initial_call=True,
    )
    def open(burst: Any, level: Any, crumbs: list[int], opening: Any, _: int, now: dict[str, Any], told: Any) -> Any:
        past = list(now.get("past") or [])
        if ctx.triggered_id == "back":
            return {"path": past[-1], "by": "back", "past": past[:-1]} if past else no_update
        to, by = chosen(session.edd(Selection.of(told)), burst, level, crumbs, opening, now)
        if to is None or to == now["path"]:
            return no_update
        return {"path": to, "by": by, "past": [*past, now["path"]][-_MOST_UNDONE:]}

    def chosen(
        edd: EDD, burst: Any, level: Any, crumbs: list[int], opening: Any, now: dict[str, Any]
    ) -> tuple[str | None, str]:
        """Which layer is to be open, and by which picture; None where nothing says so."""
        if ctx.triggered_id == "sunburst" and burst:
            boxes = list(edd.walk())
            clicked = str(burst["points"][0].get("id", ""))
            if not clicked.isdecimal() or int(clicked) >= len(boxes):
                return None, ""
            path = boxes[int(clicked)].path
            # A click on the middle leads outwards.
            return path.rpartition("/")[0] if path == now["path"] else path, "sunburst"
        if ctx.triggered_id == "level" and level:
            path = str(level["points"][0].get("customdata") or "")
            return path or None, "level"
        if isinstance(ctx.triggered_id, dict) and "crumb" in ctx.triggered_id and any(crumbs):
            return str(ctx.triggered_id["crumb"]), "crumb"
        if ctx.triggered_id == "opening" and opening:
            known = {box.path for box in edd.walk() if not box.is_tensor}
            return next((path for path in operations.opens(str(opening["name"])) if path in known), None), "list"
        return None, ""


def _draw(app: Dash, session: Session) -> None:
    @app.callback(Output("sunburst", "figure"), _SELECTION, State("place", "data"))
    def burst(told: dict[str, Any], at: dict[str, str]) -> Any:
        return ring(session, Selection.of(told), at["path"])

    @app.callback(
        Output("sunburst", "figure", allow_duplicate=True), Input("place", "data"), State("selection", "data"),
        prevent_initial_call=True,
    )  # fmt: skip
    def turn(at: dict[str, str], told: dict[str, Any]) -> Any:
        shown = Selection.of(told)
        edd = session.edd(shown)
        if is_large(edd):
            return ring(session, shown, at["path"])
        if at["by"] == "sunburst":  # it has turned by itself
            return no_update
        patch = Patch()
        patch["data"][0]["level"] = place(edd, session.box(shown, at["path"]))
        return patch

    @app.callback(Output("level", "figure"), Output("crumbs", "children"), Input("place", "data"), _SELECTION)
    def level(at: dict[str, str], told: dict[str, Any]) -> tuple[Any, Any]:
        shown = Selection.of(told)
        edd, box = session.edd(shown), session.box(shown, at["path"])
        figure = as_shown(distribution(edd, box.path or None, scale=scale_of(shown, edd)))
        figure["layout"].pop("title")  # the way here tells it
        figure["layout"]["height"] -= figure["layout"]["margin"]["t"]
        figure["layout"]["margin"]["t"] = 0
        return figure, _crumbs(edd.name, box.path)

    @app.callback(Output("figure", "figure"), Input("kind", "value"), Input("place", "data"), _SELECTION)
    def figure(kind: str, at: dict[str, str], told: dict[str, Any]) -> Any:
        shown = Selection.of(told)
        try:
            path = session.box(shown, at["path"]).path if at["path"] else ""
            return picture(kind, session, shown, path)
        except SmaragdineError as error:
            return {"layout": {"annotations": [{"text": error.message, "showarrow": False}]}}


@lru_cache(_KEPT)
def picture(kind: str, session: Session, shown: Selection, path: str) -> dict[str, Any]:
    """One of the figures below the diagram, as the page is sent it."""
    return as_shown(draw(kind, session, shown, path))


def _crumbs(name: str, path: str) -> list[Any]:
    segments = path.split("/") if path else []
    paths = ["", *("/".join(segments[: i + 1]) for i in range(len(segments)))]
    crumbs: list[Any] = []
    for depth, (label, to) in enumerate(zip([name, *segments], paths, strict=True)):
        if depth:
            crumbs.append(html.I("/"))
        crumbs.append(html.Button(label, id={"crumb": to}, disabled=to == path, n_clicks=0))
    return crumbs
