"""The page: four tabs over one session. Everything is drawn here; the browser loads nothing from elsewhere."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

from dash import Dash, Input, Output, dcc, html, no_update
from flask import Response

from smaragdine.accounts.notice import notice
from smaragdine.figures.script import plotly_js
from smaragdine.view import compare, explore, following, pausing
from smaragdine.view.drawing import as_shown
from smaragdine.view.session import Session
from smaragdine.view.what_if import page as what_if

# The token has done its work once the cookie is there: it is not to be read off a screen, nor kept in bookmarks.
_FORGET = "<script>history.replaceState(null, '', location.pathname + location.hash)</script>"
_PLOTLY = "/plotly.js"
_REFRESH_MS = 500
EXPLORE, COMPARE, WHAT_IF, LIVE = "explore", "compare", "what-if", "live"


def build(session: Session) -> Dash:
    """The application of one session; `Server` lets in who may see it."""
    # Dash would load all of plotly.js, late; where it is there already it does not.
    app = Dash("smaragdine", title="Smaragdine", update_title="", suppress_callback_exceptions=True,
               external_scripts=[_PLOTLY])  # fmt: skip
    app.server.add_url_rule(_PLOTLY, "plotly", lambda: Response(plotly_js(), mimetype="text/javascript"))
    style = files("smaragdine.report").joinpath("report.css").read_text(encoding="utf-8")
    script = what_if.asset("page.js") + files("smaragdine.view").joinpath("operations.js").read_text(encoding="utf-8")
    inline = f"{_FORGET}<style>{style}{what_if.asset('page.css')}</style><script>{script}</script>"
    app.index_string = app.index_string.replace("{%css%}", f"{{%css%}}{inline}")
    app.layout = lambda: _live(session) if session.recording else _page(session)

    _follow(app, session)
    explore.register(app, session)
    compare.register(app, session)
    what_if.register(app, session)
    following.register(app, session)
    app.clientside_callback(
        "(tab) => { window.smaragdine.tabbed(tab); return window.dash_clientside.no_update }",
        Output("tab", "labelStyle"), Input("tab", "value"),
    )  # fmt: skip
    app.clientside_callback(
        "(hash) => new URLSearchParams((hash || '').slice(1)).get('tab') || window.dash_clientside.no_update",
        Output("tab", "value"), Input("address", "hash"),
    )  # fmt: skip
    return app


def _live(session: Session) -> html.Div:
    following = session.following
    assert following is not None
    sentence = notice(following.metadata.domains)
    return html.Div(
        [
            html.Header([html.P("Smaragdine", className="brand"), html.H1(following.metadata.name),
                         html.P("being recorded; layers and operations show once it ends", className="about"),
                         *([html.P(sentence, className="notice")] if sentence else [])]),
            html.Main([html.P(id="standing-own", role="status"), pausing.layout("own"),
                       dcc.Graph(id="live", figure=as_shown(following.figure())),
                       dcc.Interval("tick", _REFRESH_MS), dcc.Location("here", refresh=True)]),
        ]
    )  # fmt: skip


def _page(session: Session) -> html.Div:
    """Of what there is: without traces, profiles alone; with several, a comparison as well."""
    runs = session.runs if session.paths else None
    tabs = {EXPLORE: "Explore"} if runs else {}
    tabs |= {COMPARE: "Compare"} if runs and len(runs) > 1 else {}
    tabs |= {WHAT_IF: "What if", LIVE: "Live"}
    first = next(iter(tabs))
    name = runs.traces[0].name if runs else "Energy profiles"
    told = [line for line in (runs.cut, runs.notice) if line] if runs else []
    panels = [
        *([html.Div(explore.layout(session), **{"data-tab": EXPLORE})] if runs else []),
        *([html.Main(compare.layout(session), hidden=True, **{"data-tab": COMPARE})] if COMPARE in tabs else []),
        html.Main(id="what-if-panel", hidden=first != WHAT_IF, **{"data-tab": WHAT_IF}),
        html.Main(following.layout(), hidden=True, **{"data-tab": LIVE}),
    ]
    return html.Div(
        [
            dcc.Location("address", refresh=False),
            # What is shown, and the layer that is open: one for all tabs.
            dcc.Store("selection", data=session.first.to_json() if runs else None),
            dcc.Store("place", data={"path": "", "by": "start", "past": []}),
            html.Header(
                [html.P("Smaragdine", className="brand"), html.H1(name)]
                + [html.P(line, className="notice") for line in told]
                + [dcc.RadioItems([{"label": word, "value": tab} for tab, word in tabs.items()], first, id="tab")]
            ),
            *panels,
        ]
    )


def _follow(app: Dash, session: Session) -> None:
    pausing.register(app, "own", lambda pause: following.own(session).pause(pause))

    @app.callback(
        Output("live", "figure"), Output("here", "href"), Output("standing-own", "children"), *pausing.outputs("own"),
        Input("tick", "n_intervals"),
    )  # fmt: skip
    def tick(_: int) -> tuple[Any, ...]:
        """The live picture; once the trace is there, the page of a finished trace."""
        if not session.recording:
            return no_update, "/", *[no_update] * 4
        following = session.following
        assert following is not None
        button = pausing.shown(following.last, ended=bool(following.problem))
        return as_shown(following.figure()), no_update, following.standing, *button
