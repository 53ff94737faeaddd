"""The tab `explore`: layers and operations of a trace, on the sunburst and inside one layer."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from dash import ALL, Dash, Input, Output, Patch, State, ctx, dcc, html, no_update

from smaragdine.accounts.edd import EDD
from smaragdine.accounts.words import PER, PHASES
from smaragdine.errors import SmaragdineError
from smaragdine.figures import ENERGY, POWER, distribution, sunburst
from smaragdine.view import operations
from smaragdine.view.drawing import KINDS, as_shown, draw
from smaragdine.view.session import Session

_MOST_UNDONE = 50
_KEPT = 8
_CONTROLS = ("subject", "phase", "folded", "scale")


def layout(session: Session) -> html.Main:
    """Of one trace, or of several of the same thing."""
    runs = session.runs
    several = len(runs) > 1
    subjects = ([{"label": f"mean of {len(runs)} runs", "value": -1}] if several else []) + [
        {"label": f"{i + 1}. {trace.name}" if several else trace.name, "value": i} for i, trace in enumerate(runs)
    ]
    scales = ["energy"] if any(trace.modelled for trace in runs) else ["energy", "power"]
    controls = [
        dcc.Dropdown(subjects, subjects[0]["value"], id="subject", clearable=False, className="subject"),
        html.Button("Undo", id="back", n_clicks=0, title="the layer that was open before: Ctrl-Z"),
        _choice("phase", [{"label": "all passes", "value": ""}, *PHASES], ""),
        _choice("folded", [{"label": "every layer", "value": ""}, {"label": "self-similar layers folded",
                                                                    "value": "folded"}], ""),
        _choice("scale", scales, "energy"),
    ]  # fmt: skip
    graph = {"displayModeBar": False, "responsive": True}
    return html.Main(
        [
            html.Section(
                [
                    html.Div(controls, className="choices what-if"),
                    html.Div(
                        [
                            dcc.Graph(id="sunburst", config=graph),
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
            html.Section([_choice("kind", list(KINDS), "stef"), dcc.Graph(id="figure", config=graph)]),
        ]
    )


def _choice(id: str, options: list[Any], value: str) -> dcc.RadioItems:
    return dcc.RadioItems(options, value, id=id, inline=True, className="choice")


def warm(session: Session) -> None:
    """Makes what a page asks for when it opens: of a large program that takes some seconds."""
    if session.paths and not session.recording:
        subject = -1 if len(session.runs) > 1 else 0
        ring(session.edd(subject, "", False))
        picture("stef", session, subject, "")
        operations.fitting(session.subject(subject), session.policy, PER[0], "", "", "")


def register(app: Dash, session: Session) -> None:
    _open(app, session)
    _draw(app, session)
    operations.register(app, session)


def _open(app: Dash, session: Session) -> None:
    """Which layer is open: told by a click on either picture, or on the way back."""

    @app.callback(
        Output("place", "data"),
        Input("sunburst", "clickData"),
        Input("level", "clickData"),
        Input({"crumb": ALL}, "n_clicks"),
        Input({"open": ALL, "basis": ALL}, "n_clicks"),
        Input("back", "n_clicks"),
        State("place", "data"),
        *(State(control, "value") for control in _CONTROLS),
        prevent_initial_call=True,
    )
    def place(burst: Any, level: Any, crumbs: list[int], opened: list[int], _back: int, now: dict[str, Any],
              subject: int, phase: str, folded: str, _scale: str) -> Any:  # fmt: skip
        edd = session.edd(subject, phase, bool(folded))
        past = list(now.get("past") or [])
        if ctx.triggered_id == "back":
            return {"path": past[-1], "by": "back", "past": past[:-1]} if past else no_update
        to, by = chosen(edd, burst, level, crumbs, opened, now)
        if to is None or to == now["path"]:
            return no_update
        return {"path": to, "by": by, "past": [*past, now["path"]][-_MOST_UNDONE:]}

    def chosen(
        edd: EDD, burst: Any, level: Any, crumbs: list[int], opened: list[int], now: dict[str, Any]
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
        if isinstance(ctx.triggered_id, dict) and "open" in ctx.triggered_id and any(opened):
            known = {box.path for box in edd.walk() if not box.is_tensor}
            return next(
                (path for path in operations.opens(str(ctx.triggered_id["open"])) if path in known), None
            ), "list"
        return None, ""


def _draw(app: Dash, session: Session) -> None:
    inputs = [Input(control, "value") for control in _CONTROLS]

    @app.callback(Output("sunburst", "figure"), *inputs, State("place", "data"))
    def burst(subject: int, phase: str, folded: str, scale: str, place: dict[str, str]) -> Any:
        edd = session.edd(subject, phase, bool(folded))
        figure = ring(edd, by_power=scale == "power" and not edd.modelled)
        burst = {**figure["data"][0], "level": _id(session, subject, phase, folded, place["path"])}
        return {**figure, "data": [burst, *figure["data"][1:]]}

    @app.callback(
        Output("sunburst", "figure", allow_duplicate=True),
        Input("place", "data"),
        *(State(control, "value") for control in _CONTROLS),
        prevent_initial_call=True,
    )
    def turn(place: dict[str, str], subject: int, phase: str, folded: str, _: str) -> Any:
        if place["by"] == "sunburst":  # it has turned by itself
            return no_update
        patch = Patch()
        patch["data"][0]["level"] = _id(session, subject, phase, folded, place["path"])
        return patch

    @app.callback(Output("level", "figure"), Output("crumbs", "children"), Input("place", "data"), *inputs)
    def level(place: dict[str, str], subject: int, phase: str, folded: str, scale: str) -> tuple[Any, Any]:
        edd = session.edd(subject, phase, bool(folded))
        box = session.box(subject, phase, bool(folded), place["path"])
        if box.is_tensor and "/" in box.path:
            box = session.box(subject, phase, bool(folded), box.path.rpartition("/")[0])
        by_power = scale == "power" and not edd.modelled
        figure = as_shown(distribution(edd, box.path or None, scale=POWER if by_power else ENERGY))
        figure["layout"].pop("title")  # the way here tells it
        figure["layout"]["height"] -= figure["layout"]["margin"]["t"]
        figure["layout"]["margin"]["t"] = 0
        return figure, _crumbs(edd.name, box.path)

    @app.callback(Output("figure", "figure"), Input("kind", "value"), Input("place", "data"), *inputs)
    def figure(kind: str, place: dict[str, str], subject: int, phase: str, folded: str, _: str) -> Any:
        path = session.box(subject, phase, bool(folded), place["path"]).path if place["path"] else ""
        try:
            return picture(kind, session, subject, path)
        except SmaragdineError as error:
            return {"layout": {"annotations": [{"text": error.message, "showarrow": False}]}}


@lru_cache(_KEPT)
def picture(kind: str, session: Session, chosen: int, path: str) -> dict[str, Any]:
    """One of the figures below the diagram, as the page is sent it."""
    return as_shown(draw(kind, session, chosen, path))


@lru_cache(_KEPT)
def ring(edd: EDD, *, by_power: bool = False) -> dict[str, Any]:
    """The sunburst as the page is sent it; of a large program it takes most of a second to make."""
    return as_shown(sunburst(edd, scale=POWER if by_power else ENERGY))


def _id(session: Session, subject: int, phase: str, folded: str, path: str) -> str:
    box = session.box(subject, phase, bool(folded), path)
    if box.is_tensor:
        box = session.box(subject, phase, bool(folded), box.path.rpartition("/")[0])
    walk = session.edd(subject, phase, bool(folded)).walk()
    return str(next(place for place, other in enumerate(walk) if other is box))


def _crumbs(name: str, path: str) -> list[Any]:
    segments = path.split("/") if path else []
    paths = ["", *("/".join(segments[: i + 1]) for i in range(len(segments)))]
    crumbs: list[Any] = []
    for place, (label, to) in enumerate(zip([name, *segments], paths, strict=True)):
        if place:
            crumbs.append(html.I("/"))
        crumbs.append(html.Button(label, id={"crumb": to}, disabled=to == path, n_clicks=0))
    return crumbs
