"""The tab `compare`: two of the page's traces side by side, the largest change first."""

from __future__ import annotations

from typing import Any

from dash import Dash, Input, Output, dcc, html

from smaragdine.accounts.comparison import Comparison
from smaragdine.accounts.group import KEYS
from smaragdine.errors import SmaragdineError
from smaragdine.text.table import Table
from smaragdine.view.session import Session

_MOST = 200


def layout(session: Session) -> list[Any]:
    traces = [{"label": f"{i + 1}. {trace.name}", "value": i} for i, trace in enumerate(session.runs)]
    return [
        html.Section(
            [
                html.Div(
                    [
                        dcc.Dropdown(traces, 0, id="first", clearable=False, className="subject"),
                        dcc.Dropdown(traces, 1, id="second", clearable=False, className="subject"),
                        dcc.RadioItems(list(KEYS), "layer", id="by", inline=True, className="choice"),
                    ],
                    className="choices",
                ),
                html.P("per traced step; whether a change is beyond chance, one run of each does not tell",
                       className="about"),
                html.Div(id="comparison", className="scroll"),
            ]
        )
    ]  # fmt: skip


def register(app: Dash, session: Session) -> None:
    @app.callback(
        Output("comparison", "children"), Input("first", "value"), Input("second", "value"), Input("by", "value")
    )
    def compared(first: int, second: int, by: str) -> Any:
        try:
            a, b = (
                session.subject(chosen).footprint(session.policy, per="step").footprints[0]
                for chosen in (first, second)
            )
            table = Table.of_comparison(Comparison.of(a, b, by), _MOST)
        except SmaragdineError as error:
            return html.P(str(error), className="notice")
        head, *rows = table.lines()
        return html.Table(
            [
                html.Thead(html.Tr([html.Th(cell, className=_class(table, i)) for i, cell in enumerate(head)])),
                html.Tbody(
                    [html.Tr([html.Td(cell, className=_class(table, i)) for i, cell in enumerate(row)]) for row in rows]
                ),
            ]
        )


def _class(table: Table, column: int) -> str:
    return "num" if column in table.numeric else ""
