"""The controls that select what the page shows."""

from __future__ import annotations

from typing import Any

from dash import Dash, Input, Output, dcc, html

from smaragdine.accounts.energy import BASES
from smaragdine.accounts.words import PHASES
from smaragdine.view.selection import ALL, Selection
from smaragdine.view.session import Session

_CONTROLS = tuple(Selection().to_json())


def layout(session: Session) -> list[Any]:
    runs, first = session.runs, session.first
    several = len(runs) > 1
    subjects = ([{"label": f"mean of {len(runs)} runs", "value": ALL}] if several else []) + [
        {"label": f"{i + 1}. {trace.name}" if several else trace.name, "value": i} for i, trace in enumerate(runs)
    ]
    scales = ["energy"] if any(trace.modelled for trace in runs) else ["energy", "power"]
    held = {(row.device, row.basis) for one in session.footprint(first).footprints for row in one.rows}
    devices = sorted({device for device, _ in held})
    bases = [basis for basis in BASES if basis in {basis for _, basis in held}]
    policies = [policy for policy in runs.traces[0].policies if all(policy in trace.policies for trace in runs)]
    return [
        dcc.Dropdown(subjects, first.subject, id="subject", clearable=False, className="subject"),
        _choice("phase", "pass", [_every("all"), *PHASES], ""),
        _choice("device", "device", [_every("all"), *devices], ""),
        _choice("basis", "basis", [_every("any"), *bases], ""),
        _choice("policy", "policy", policies or [first.policy], first.policy),
        _choice("folded", "layers", [_every("each"), {"label": "self-similar ones folded", "value": "folded"}], ""),
        _choice("scale", "by", scales, scales[0]),
    ]


def register(app: Dash) -> None:
    values = ", ".join(f"{name}: held[{place}]" for place, name in enumerate(_CONTROLS))
    app.clientside_callback(
        f"(...held) => ({{{values}}})",
        Output("selection", "data"), *(Input(name, "value") for name in _CONTROLS), prevent_initial_call=True,
    )  # fmt: skip


def _every(word: str) -> dict[str, str]:
    return {"label": word, "value": ""}


def _choice(id: str, of: str, options: list[Any], value: str) -> html.Div:
    radio = dcc.RadioItems(options, value, id=id, inline=True, className="choice")
    return html.Div([html.Span(of, className="of"), radio], role="group", className="choice", **{"aria-label": of})
