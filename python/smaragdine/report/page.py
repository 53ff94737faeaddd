"""The report's render step: `Content` → one HTML page that loads nothing from anywhere.

Every text is escaped here or in its table; the page's script receives values as JSON in which no `<` is left.
"""

from __future__ import annotations

import html
from collections.abc import Callable
from importlib.resources import files
from string import Template
from typing import TypeAlias

from plotly.offline import get_plotlyjs

from smaragdine.accounts.quantity import percent
from smaragdine.report.content import Content
from smaragdine.report.hero import Part, Words
from smaragdine.report.recording import Recording
from smaragdine.text.embedded import script_json
from smaragdine.text.methods import CITATION
from smaragdine.text.table import Table

_RenderOne: TypeAlias = Callable[[int, Recording], str]


def render(content: Content) -> str:
    """The page. It depends on the content alone."""
    payload = {
        "views": [
            {"caption": v.caption, "sunburst": v.sunburst, "byPower": v.by_power, "levels": v.levels, "start": v.start}
            for v in content.views
        ],
        "figures": {
            **content.figures,
            **{f"{key}-{i}": drawn for i, r in enumerate(content.recordings) for key, drawn in r.figures.items()},
        },
    }
    hero = content.hero
    assets = files("smaragdine.report")
    template = Template(assets.joinpath("report.html").read_text(encoding="utf-8"))
    return template.substitute(
        title=_text(content.title),
        style=assets.joinpath("report.css").read_text(encoding="utf-8"),
        notice=f'<p class="notice" role="note">{_code(content.notice)}</p>' if content.notice else "",
        basis=_text(content.basis),
        mark=" (modelled)" if content.notice else "",
        about=_text(hero.facts),
        headline="".join(f"<p>{_words(sentence)}</p>" for sentence in hero.headline),
        coverage="".join(
            f'<p class="lead"><b>coverage</b> {_text(one)}</p>' for one in dict.fromkeys(content.coverage)
        ),
        warnings=_warnings(content.recordings),
        tiles="".join(
            f'<div class="tile"><span>{_text(tile.label)}</span><b>{_text(tile.value)}</b>'
            f"<small>{_text(tile.meaning)}</small></div>"
            for tile in hero.tiles
        ),
        spread=_text(hero.spread),
        ledger_bars="".join(_ledger_bar(basis, parts) for basis, parts in hero.ledger.items()),
        ledgers=_each(content.recordings, lambda i, r: _table(r.totals) + _table(r.ledger)),
        runs=f"<h3>Runs</h3>{_table(content.runs)}" if content.runs else "",
        views="".join(
            f'<button type="button" role="tab" data-view="{i}">{_text(view.label)}</button>'
            for i, view in enumerate(content.views)
        ),
        scales=_SCALES if any(view.by_power for view in content.views) else "",
        empty="" if content.views else '<p class="empty">No operations were recorded, so there is nothing to open.</p>',
        together="".join(_figure(kind) for kind in ("phases", "layers") if kind in content.figures),
        layers=_table(content.layers),
        rankings="".join(_figure(kind) for kind in ("stef", "stpf") if kind in content.figures),
        tensors=_table(content.tensors),
        scatters="".join(_figure(kind) for kind in ("scatter", "flops", "similarity") if kind in content.figures),
        power=_each(content.recordings, lambda i, _: _figure(f"power-{i}")),
        steps=_each(
            content.recordings,
            lambda i, r: f'<div class="grid">{"".join(_figure(f"{k}-{i}") for k in r.figures if k != "power")}</div>',
        ),
        facts=_each(content.recordings, lambda _, recording: _facts(recording)),
        sources=_each(
            content.recordings, lambda _, r: _table(r.sources) + (_table(r.sensors) if r.sensors.rows else "")
        ),
        methods="".join(f"<p>{_text(paragraph)}</p>" for paragraph in content.methods),
        citation=_text(CITATION),
        payload=script_json(payload),
        plotly=get_plotlyjs(),
        script=assets.joinpath("report.js").read_text(encoding="utf-8"),
    )


_SCALES = (
    '<div class="tabs scales" role="group" aria-label="Scale">'
    '<button type="button" data-scale="energy" aria-pressed="true">energy</button>'
    '<button type="button" data-scale="power" aria-pressed="false">power</button></div>'
)


def _figure(kind: str) -> str:
    return f'<div class="figure" data-figure="{_text(kind)}"></div>'


def _words(words: Words) -> str:
    return "".join(f"<b>{_text(text)}</b>" if strong else _text(text) for text, strong in words)


def _ledger_bar(basis: str, parts: tuple[Part, ...]) -> str:
    """One bar of all energy of a basis, and below it what its stretches are."""
    bar = "".join(
        f'<i class="{part.entry}" style="flex-grow:{part.share:.5f}" title="{_text(part.entry)}: {part.energy}"></i>'
        for part in parts
    )
    key = "".join(
        f'<li title="{_text(part.meaning)}"><i class="{part.entry}"></i>{_text(part.entry)} '
        f"<b>{percent(part.share)}</b> <small>{part.energy}</small></li>"
        for part in parts
    )
    return f'<div class="joules" aria-label="{_text(basis)}"><div class="bar">{bar}</div><ul>{key}</ul></div>'


def _text(value: str) -> str:
    return html.escape(value, quote=True)


def _code(value: str) -> str:
    """Escaped text in which `backticks` are set as code."""
    parts = _text(value).split("`")
    return "".join(f"<code>{part}</code>" if i % 2 else part for i, part in enumerate(parts))


def _table(table: Table) -> str:
    return f'<div class="scroll">{table.html()}</div>'


def _facts(recording: Recording) -> str:
    items = "".join(f"<dt>{_text(name)}</dt><dd>{_text(value)}</dd>" for name, value in recording.facts)
    return f"<dl>{items}</dl>"


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
