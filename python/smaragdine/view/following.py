"""The tab `live`: a job's page at another address is followed here; and what this page tells to one that follows it."""

from __future__ import annotations

import json
from typing import Any

from dash import Dash, Input, Output, State, ctx, dcc, html, no_update
from flask import Response, abort, request

from smaragdine.accounts.notice import notice
from smaragdine.errors import SmaragdineError
from smaragdine.view import pausing
from smaragdine.view.drawing import as_shown
from smaragdine.view.link import FORMAT, PATH, PAUSE, Link
from smaragdine.view.live import Following, watts
from smaragdine.view.session import Session

_REFRESH_MS = 1000


def layout() -> html.Section:
    return html.Section(
        [
            html.P(
                "A job that runs elsewhere: start `smaragdine view OUTPUT` on its machine, bring its port here with "
                "`ssh -L`, and paste the address that it prints.",
                className="about",
            ),
            html.Div(
                [
                    dcc.Input(id="link", type="text", placeholder="http://127.0.0.1:8050/?token=…", className="wide"),
                    html.Button("Follow", id="follow", n_clicks=0),
                    html.Button("Take its profile", id="take", n_clicks=0),
                ],
                className="does",
            ),
            html.P("no job is followed", id="standing", role="status"),
            pausing.layout("linked"),
            html.P(id="took", role="status"),
            html.Div(id="linked-notice"),
            dcc.Graph(id="linked", config={"displayModeBar": False, "responsive": True}, style={"display": "none"}),
            dcc.Interval("linking", _REFRESH_MS, disabled=True),
            dcc.Store("taken"),
        ],
        className="what-if",
    )


def register(app: Dash, session: Session) -> None:
    @app.server.route(f"/{PATH}")
    def live() -> Response:
        since = request.args.get("since", "0")
        told = content(session, int(since) if since.isdecimal() and len(since) < 20 else 0)
        return Response(json.dumps(told), mimetype="application/json")

    @app.callback(
        Output("standing", "children"), Output("linked-notice", "children"), Output("linked", "figure"),
        Output("linked", "style"), Output("linking", "disabled"), *pausing.outputs("linked"),
        Input("follow", "n_clicks"), Input("linking", "n_intervals"), State("link", "value"),
        prevent_initial_call=True,
    )  # fmt: skip
    def followed(_follow: int, _tick: int, address: str | None) -> Any:
        if ctx.triggered_id == "follow":
            try:
                link = Link.to(address or "")
            except SmaragdineError as error:
                return str(error), *[no_update] * 7
            if session.link is not None:
                session.link.leave()
            session.link = link
        if session.link is None:
            return *[no_update] * 4, True, *[no_update] * 3
        link = session.link
        figure = as_shown(watts(link.domains, link.start_ns, list(link.moments), "nothing yet"))
        shown = {} if link.moments else {"display": "none"}
        standing = f"{link.name or link.address.partition('?')[0]}: {link.standing}"
        last = link.moments[-1] if link.moments else None
        sentence = notice(link.domains) if link.moments else None
        said = html.P(sentence, className="notice") if sentence else ""
        return standing, said, figure, shown, link.ended, *pausing.shown(last, ended=link.ended or bool(link.problem))

    pausing.register(app, "linked", lambda pause: _linked(session).pause(pause))

    @app.server.route(f"/{PAUSE}", methods=["POST"])
    def pause() -> Response:
        told = request.get_json(force=True, silent=True)
        asked = told.get("pause") if isinstance(told, dict) else None
        if not isinstance(asked, bool):
            return abort(400)
        problem = ""
        try:
            own(session).pause(asked)
        except SmaragdineError as error:
            problem = str(error)
        return Response(json.dumps({"problem": problem}), mimetype="application/json")

    # Apart from what ticks: of one callback that is called twice, a page keeps the later answer alone.
    @app.callback(
        Output("took", "children"), Output("taken", "data"), Input("take", "n_clicks"), prevent_initial_call=True
    )
    def take(_: int) -> Any:
        try:
            place = session.shelf.add(_linked(session).profile())
        except SmaragdineError as error:
            return str(error), no_update
        return f"taken as {session.shelf.names[place]}: it is under What if now", place


def _linked(session: Session) -> Link:
    """Raises SmaragdineError where none is followed."""
    if session.link is None:
        raise SmaragdineError("no job is followed", "paste the address of its page")
    return session.link


def own(session: Session) -> Following:
    """The recording of this page's own. Raises SmaragdineError where none runs."""
    if session.following is None or not session.recording:
        raise SmaragdineError("nothing is being recorded here any more")
    return session.following


def content(session: Session, since_ns: int) -> dict[str, Any]:
    """What another page is told: while it is recorded its power, afterwards its profile."""
    if not session.paths:
        return {
            "format": FORMAT,
            "version": 1,
            "name": "",
            "state": "no job",
            "start_ns": 0,
            "domains": [],
            "moments": [],
        }
    following = session.following if session.recording else None
    metadata = following.metadata if following else session.runs.traces[0].metadata
    profile = session.shelf.profiles[0].to_json() if following is None and session.shelf.profiles else None
    return {
        "format": FORMAT,
        "version": 1,
        "name": metadata.name,
        "state": metadata.state,
        "start_ns": metadata.start_ns,
        "problem": following.problem if following else "",
        "domains": [
            {"name": one.name, "device": one.device, "counted": one.counted, "basis": one.basis}
            for one in metadata.domains
        ],
        "moments": following.told(since_ns) if following else [],
        "profile": profile,
    }
