"""The tab `compare`: two of the page's traces side by side, the largest change first."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from dash import Dash, Input, Output, dcc, html

from smaragdine.accounts.comparison import Comparison
from smaragdine.accounts.footprint import Footprint
from smaragdine.accounts.group import KEYS
from smaragdine.errors import SmaragdineError
from smaragdine.text.table import Table
from smaragdine.view.selection import Selection
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
                html.P(id="compared-in", className="fine", role="status"),
                html.Div(id="comparison", className="scroll"),
            ]
        )
    ]  # fmt: skip


def register(app: Dash, session: Session) -> None:
    @app.callback(
        Output("comparison", "children"), Output("compared-in", "children"), Input("first", "value"),
        Input("second", "value"), Input("by", "value"), Input("place", "data"), Input("selection", "data"),
    )  # fmt: skip
    def compared(first: int, second: int, by: str, place: dict[str, Any], told: dict[str, Any]) -> Any:
        path, shown = str(place["path"]).removeprefix("gradients/"), Selection.of(told)
        opened = [f"within {path}, which is open on Explore"] if path else []
        within = "; ".join([*opened, *([f"only {shown.words}, as selected on Explore"] if shown.words else [])])
        try:
            a, b = (
                _within(session.footprint(replace(shown, subject=chosen), "step").footprints[0], path)
                for chosen in (first, second)
            )
            table = Table.of_comparison(Comparison.of(a, b, by), _MOST)
        except SmaragdineError as error:
            return html.P(str(error), className="notice"), within
        head, *rows = table.lines()
        table_of = html.Table(
            [
                html.Thead(html.Tr([html.Th(cell, className=_class(table, i)) for i, cell in enumerate(head)])),
                html.Tbody(
                    [html.Tr([html.Td(cell, className=_class(table, i)) for i, cell in enumerate(row)]) for row in rows]
                ),
            ]
        )
        return table_of, within


def _within(footprint: Footprint, path: str) -> Footprint:
    """Of one layer; of all where `path` is empty, or the runs have no such layer."""
    rows = tuple(row for row in footprint.rows if row.layer == path or row.layer.startswith(f"{path}/"))
    return replace(footprint, rows=rows) if path and rows else footprint


def _class(table: Table, column: int) -> str:
    return "num" if column in table.numeric else ""
