"""The report's render step: `Content` → one HTML page that loads nothing from anywhere.

Every text is escaped here or in its table; the page's script receives values as JSON in which no `<` is left.
"""

from __future__ import annotations

import html
import json
from collections.abc import Callable
from importlib.resources import files
from string import Template
from typing import TypeAlias

from plotly.offline import get_plotlyjs
from plotly.utils import PlotlyJSONEncoder

from smaragdine.report.content import Content, Recording
from smaragdine.report.methods import CITATION
from smaragdine.table import Table

_RenderOne: TypeAlias = Callable[[int, Recording], str]


def render(content: Content) -> str:
    """The page. It depends on the content alone."""
    payload = {
        "views": [
            {"caption": v.caption, "sunburst": v.sunburst, "levels": v.levels, "start": v.start} for v in content.views
        ],
        "figures": {
            **content.figures,
            **{f"{key}-{i}": drawn for i, r in enumerate(content.recordings) for key, drawn in r.figures.items()},
        },
    }
    assets = files("smaragdine.report")
    template = Template(assets.joinpath("report.html").read_text(encoding="utf-8"))
    return template.substitute(
        title=_text(content.title),
        style=assets.joinpath("report.css").read_text(encoding="utf-8"),
        notice=f'<p class="notice" role="note">{_code(content.notice)}</p>' if content.notice else "",
        basis=_text(content.basis),
        mark=" (modelled)" if content.notice else "",
        rankings="".join(f'<div class="figure" data-figure="{_text(kind)}"></div>' for kind in content.figures),
        coverage=_text(content.coverage),
        tiles="".join(
            f'<div class="tile"><span>{_text(label)}</span><b>{_text(value)}</b><small>{_text(why)}</small></div>'
            for label, value, why in content.tiles
        ),
        facts=_facts(content.recordings[0]),
        warnings=_warnings(content.recordings),
        totals=_table(content.totals),
        runs=f"<h3>Runs</h3>{_table(content.runs)}" if content.runs else "",
        ledgers=_each(content.recordings, lambda i, recording: _table(recording.ledger)),
        views="".join(
            f'<button type="button" role="tab" data-view="{i}">{_text(view.label)}</button>'
            for i, view in enumerate(content.views)
        ),
        empty="" if content.views else '<p class="empty">No operations were recorded, so there is nothing to open.</p>',
        layers=_table(content.layers),
        power=_each(content.recordings, lambda i, _: f'<div class="figure" data-figure="power-{i}"></div>'),
        steps=_each(content.recordings, lambda i, _: f'<div class="figure" data-figure="steps-{i}"></div>'),
        sources=_each(content.recordings, lambda i, recording: _table(recording.sources)),
        methods="".join(f"<p>{_text(paragraph)}</p>" for paragraph in content.methods),
        citation=_text(CITATION),
        payload=_json(payload),
        plotly=get_plotlyjs(),
        script=assets.joinpath("report.js").read_text(encoding="utf-8"),
    )


def _text(value: str) -> str:
    return html.escape(value, quote=True)


def _code(value: str) -> str:
    """Escaped text in which `backticks` are set as code."""
    parts = _text(value).split("`")
    return "".join(f"<code>{part}</code>" if i % 2 else part for i, part in enumerate(parts))


def _json(value: object) -> str:
    """JSON that can stand inside a script element: no tag, comment or line separator can be read in it."""
    text = json.dumps(value, cls=PlotlyJSONEncoder, separators=(",", ":"), allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _table(table: Table) -> str:
    return f'<div class="scroll">{table.html()}</div>'


def _facts(recording: Recording) -> str:
    return "".join(f"<dt>{_text(name)}</dt><dd>{_text(value)}</dd>" for name, value in recording.facts)


def _warnings(recordings: tuple[Recording, ...]) -> str:
    told = dict.fromkeys(warning for recording in recordings for warning in recording.warnings)
    items = "".join(f"<li>{_text(warning)}</li>" for warning in told)
    return f'<ul class="warnings">{items}</ul>' if items else ""


def _each(recordings: tuple[Recording, ...], render_one: _RenderOne) -> str:
    """One piece per trace, under its name where there are several."""
    several = len(recordings) > 1
    return "".join(
        (f"<h3>{_text(recording.name)}</h3>" if several else "") + render_one(i, recording)
        for i, recording in enumerate(recordings)
    )
