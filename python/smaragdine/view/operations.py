"""The operations of the page's runs: searched by name, filtered, in the unit and per what was asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import Any

from dash import Dash, Input, Output, dcc, html

from smaragdine.accounts.energy import BASES
from smaragdine.accounts.footprint import Footprint
from smaragdine.accounts.group import Group
from smaragdine.accounts.quantity import joules, number, percent, seconds, si, watts
from smaragdine.accounts.words import PER, PHASES
from smaragdine.errors import SmaragdineError
from smaragdine.trace.runs import Runs
from smaragdine.view.session import Session

_MOST = 60
# Of one footprint after the other, as somebody tries filters.
_KEPT = 32
_ALL = ""
_J_PER_WH = 3600.0

UNITS: dict[str, Callable[[Group], str]] = {
    "J": lambda one: joules(one.energy_j),
    "Wh": lambda one: si(one.energy_j / _J_PER_WH, "Wh"),
    "%": lambda one: percent(one.share),
    "W": lambda one: watts(one.power_w),
}


def layout(session: Session) -> html.Section:
    runs = session.runs
    rows = [row for one in runs.footprint(session.policy).footprints for row in one.rows]
    devices = sorted({row.device for row in rows})
    bases = [basis for basis in BASES if any(row.basis == basis for row in rows)]
    policies = [policy for policy in runs.traces[0].policies if all(policy in trace.policies for trace in runs)]
    # By power nothing can be said of what was modelled by time.
    units = [unit for unit in UNITS if unit != "W" or not any(trace.modelled for trace in runs)]
    return html.Section(
        [
            html.H3("Operations"),
            dcc.Input(id="search", type="search", className="wide",
                      placeholder="search by name: layer_2 matmul (press /)"),
            html.Div(
                [
                    _choice("of-phase", "pass", [_every("all passes"), *PHASES], _ALL),
                    _choice("of-device", "device", [_every("all devices"), *devices], _ALL),
                    _choice("of-basis", "basis", [_every("any basis"), *bases], _ALL),
                    _choice("of-policy", "policy", policies or [session.policy], session.policy),
                    _choice("unit", "unit", units, "J"),
                    _choice("per", "per", list(PER), "run"),
                ],
                className="choices",
            ),
            html.Div(id="operations", className="scroll"),
        ],
        className="what-if",
    )  # fmt: skip


def _every(word: str) -> dict[str, str]:
    return {"label": word, "value": _ALL}


def _choice(id: str, label: str, options: list[Any], value: str) -> html.Div:
    radio = dcc.RadioItems(options, value, id=id, inline=True, className="choice")
    return html.Div(radio, role="group", **{"aria-label": label})


def register(app: Dash, session: Session) -> None:
    @app.callback(
        Output("operations", "children"), Input("search", "value"), Input("of-phase", "value"),
        Input("of-device", "value"), Input("of-basis", "value"), Input("of-policy", "value"), Input("unit", "value"),
        Input("per", "value"), Input("subject", "value"), Input("place", "data"),
    )  # fmt: skip
    def listed(text: str | None, phase: str, device: str, basis: str, policy: str, unit: str, per: str, subject: int,
               place: dict[str, Any]) -> Any:  # fmt: skip
        try:
            held = fitting(session.subject(subject), policy, per, phase, device, basis)
        except SmaragdineError as error:
            return html.P(str(error), className="notice")
        words, within = (text or "").casefold().split(), str(place["path"]).removeprefix("gradients/")
        if words:
            shown = [one for one in held if all(word in one.name.casefold() for word in words)]
            where = "found"
        else:
            shown = [one for one in held if not within or _is_within(one.name, within)]
            where = f"in {within}" if within else "in all"
        told = f"{len(shown):,} {where}, of {len(held):,}" + (f"; the first {_MOST}" if len(shown) > _MOST else "")
        return [html.P(told, className="fine", role="status"), _table(shown[:_MOST], unit, per)]


@lru_cache(_KEPT)
def fitting(runs: Runs, policy: str, per: str, phase: str, device: str, basis: str) -> list[Group]:
    """Operations of these passes, devices and bases (empty: of all), most energy first; shares are of these.

    Raises SmaragdineError where the runs do not tell so much.
    """

    def kept(one: Footprint) -> Footprint:
        rows = (row for row in one.rows if phase in (_ALL, row.phase))
        rows = (row for row in rows if device in (_ALL, row.device) and basis in (_ALL, row.basis))
        return replace(one, rows=tuple(rows))

    return list(runs.footprint(policy, per=per).changed(kept).by("op"))


def opens(name: str) -> list[str]:
    """The layers that an operation of this name may be in, as diagrams call them, likeliest first."""
    layer = name.rpartition("/")[0]
    return [layer.removeprefix("gradients/"), layer]


def _is_within(name: str, path: str) -> bool:
    name = name.removeprefix("gradients/")
    return name == path or name.startswith(f"{path}/")


def _table(shown: list[Group], unit: str, per: str) -> html.Table:
    amount = unit if per == "run" or unit in ("%", "W") else f"{unit} per {per}"
    head = ["operation", amount, "90 % interval", "time", "executions", "pass", "basis"]
    rows = [
        html.Tr(
            [
                html.Td(html.Button(one.name, id={"open": one.name, "basis": one.basis}, n_clicks=0,
                                    title="opens its layer")),
                html.Td(UNITS[unit](one), className="num"),
                html.Td(_interval(one), className="num"),
                html.Td(seconds(one.time_s), className="num"),
                html.Td(number(one.count), className="num"),
                html.Td(one.phase or "several"),
                html.Td(one.basis),
            ]
        )
        for one in shown
    ]  # fmt: skip
    return html.Table(
        [
            html.Thead(
                html.Tr([html.Th(word, className="num" if 0 < place < 5 else "") for place, word in enumerate(head)])
            ),
            html.Tbody(rows),
        ],
        className="listed",
    )


def _interval(one: Group) -> str:
    if one.energy_low_j is None or one.energy_high_j is None:
        return "–"
    return f"{joules(one.energy_low_j)} to {joules(one.energy_high_j)}"
