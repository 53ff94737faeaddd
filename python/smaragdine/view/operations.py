"""The operations of the page's runs: searched by name, of what is selected, in the unit and per what was asked for."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from dash import Dash, Input, Output, dcc, html

from smaragdine.accounts.group import Group
from smaragdine.accounts.quantity import joules, number, percent, seconds, si, watts
from smaragdine.accounts.words import PER
from smaragdine.errors import SmaragdineError
from smaragdine.view.selection import Selection
from smaragdine.view.session import Session

_MOST = 60
# Of one selection after the other, as somebody tries filters.
_KEPT = 32
_J_PER_WH = 3600.0

UNITS: dict[str, Callable[[Group], str]] = {
    "J": lambda one: joules(one.energy_j),
    "Wh": lambda one: si(one.energy_j / _J_PER_WH, "Wh"),
    "%": lambda one: percent(one.share),
    "W": lambda one: watts(one.power_w),
}


def layout(session: Session) -> html.Section:
    # By power nothing can be said of what was modelled by time.
    units = [unit for unit in UNITS if unit != "W" or not any(trace.modelled for trace in session.runs)]
    return html.Section(
        [
            html.H3("Operations"),
            dcc.Input(id="search", type="search", className="wide",
                      placeholder="search by name: layer_2 matmul (press /)"),
            html.Div(
                [
                    dcc.RadioItems(units, "J", id="unit", inline=True, className="choice"),
                    dcc.RadioItems([{"label": f"per {per}", "value": per} for per in PER], "run", id="per", inline=True,
                                   className="choice"),
                ],
                className="choices",
            ),
            dcc.Store("listed"),
            # The one that was clicked last.
            dcc.Store("opening"),
            html.Div(id="operations", className="scroll"),
        ],
        className="what-if",
    )  # fmt: skip


def register(app: Dash, session: Session) -> None:
    @app.callback(
        Output("listed", "data"), Input("search", "value"), Input("unit", "value"), Input("per", "value"),
        Input("selection", "data"), Input("place", "data"),
    )  # fmt: skip
    def listed(text: str | None, unit: str, per: str, told: dict[str, Any], place: dict[str, Any]) -> Any:
        try:
            held = fitting(session, Selection.of(told), per)
        except SmaragdineError as error:
            return {"problem": str(error)}
        words, within = (text or "").casefold().split(), str(place["path"]).removeprefix("gradients/")
        if words:
            shown = [one for one in held if all(word in one.name.casefold() for word in words)]
            where = "found"
        else:
            shown = [one for one in held if not within or _is_within(one.name, within)]
            where = f"in {within}" if within else "in all"
        said = f"{len(shown):,} {where}, of {len(held):,}" + (f"; the first {_MOST}" if len(shown) > _MOST else "")
        amount = unit if per == "run" or unit in ("%", "W") else f"{unit} per {per}"
        head = ["operation", amount, "90 % interval", "time", "executions", "pass", "basis"]
        return {"said": said, "head": head, "rows": [_row(one, unit) for one in shown[:_MOST]]}

    app.clientside_callback(
        "(told) => { window.smaragdine.listed(told); return window.dash_clientside.no_update }",
        Output("operations", "title"), Input("listed", "data"),
    )  # fmt: skip


@lru_cache(_KEPT)
def fitting(session: Session, shown: Selection, per: str) -> list[Group]:
    """Operations of what is selected, most energy first; shares are of these.

    Raises SmaragdineError where the runs do not tell so much.
    """
    return list(session.footprint(shown, per).by("op"))


def opens(name: str) -> list[str]:
    """The layers that an operation of this name may be in, as diagrams call them, likeliest first."""
    layer = name.rpartition("/")[0]
    return [layer.removeprefix("gradients/"), layer]


def _is_within(name: str, path: str) -> bool:
    name = name.removeprefix("gradients/")
    return name == path or name.startswith(f"{path}/")


def _row(one: Group, unit: str) -> list[str]:
    return [
        one.name, UNITS[unit](one), _interval(one), seconds(one.time_s), number(one.count), one.phase or "several",
        one.basis,
    ]  # fmt: skip


def _interval(one: Group) -> str:
    if one.energy_low_j is None or one.energy_high_j is None:
        return "–"
    return f"{joules(one.energy_low_j)} to {joules(one.energy_high_j)}"
