"""The report's render step: `Content` → one HTML page that loads nothing from anywhere.

Every text is escaped here or in its table; what the page's script receives is base64. The page's policy lets nothing
but its own two scripts run, and nothing be loaded.
"""

from __future__ import annotations

import hashlib
import html
from base64 import b64encode
from collections.abc import Callable
from importlib.resources import files
from string import Template
from typing import TypeAlias

from plotly.offline import get_plotlyjs

from smaragdine.accounts.quantity import percent
from smaragdine.report.content import Content
from smaragdine.report.hero import Part, Words
from smaragdine.report.packing import deflated, packed
from smaragdine.report.payload import payload
from smaragdine.report.record import Record
from smaragdine.report.recording import Recording
from smaragdine.text.methods import CITATION
from smaragdine.text.table import Table

_RenderOne: TypeAlias = Callable[[int, Recording], str]


# Pieces of one script, in the order in which they stand there.
_SCRIPT = ("unpack", "quantity", "diagram", "ring", "layering", "level", "operations", "report")


def render(content: Content) -> str:
    """The page. It depends on the content alone."""
    hero = content.hero
    assets = files("smaragdine.report")
    script, plotly = _script(), get_plotlyjs()
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
        scales=_SCALES if any(view.ring.power for view in content.views) else "",
        empty="" if content.views else '<p class="empty">No operations were recorded, so there is nothing to open.</p>',
        together="".join(_figure(kind) for kind in ("phases", "layers") if kind in content.figures),
        layers=_table(content.layers),
        rankings="".join(_figure(kind) for kind in ("stef", "stpf") if kind in content.figures),
        tensors=_table(content.tensors),
        scatters="".join(_figure(kind) for kind in ("scatter", "flops", "similarity") if kind in content.figures),
        power=_each(content.recordings, lambda i, _: _figure(f"power-{i}")),
        steps=_each(
            content.recordings,
            lambda i, r: f'<div class="grid">{"".join(_figure(f"{k}-{i}") for k in r.figures if k in _OF_STEPS)}</div>',
        ),
        ranks=_ranks(content.recordings),
        facts=_each(content.recordings, lambda _, recording: _facts(recording)),
        record=_each(content.recordings, lambda _, recording: _record(recording.record)),
        sources=_each(
            content.recordings, lambda _, r: _table(r.sources) + (_table(r.sensors) if r.sensors.rows else "")
        ),
        methods="".join(f"<p>{_text(paragraph)}</p>" for paragraph in content.methods),
        citation=_text(CITATION),
        policy=_POLICY.format(scripts=" ".join(map(_digest, (script, plotly)))),
        payload=packed(payload(content)),
        plotly=deflated(plotly.encode("utf-8")),
        script=script,
    )


# What the page may do: run its own two scripts, which the digests name, and load nothing from anywhere.
_POLICY = (
    "default-src 'none'; script-src {scripts}; style-src 'unsafe-inline'; img-src data: blob:; "
    "base-uri 'none'; form-action 'none'"
)


def _digest(script: str) -> str:
    return f"'sha256-{b64encode(hashlib.sha256(script.encode('utf-8')).digest()).decode('ascii')}'"


def _script() -> str:
    browser = files("smaragdine.report").joinpath("browser")
    parts = (browser.joinpath(f"{name}.js").read_text(encoding="utf-8") for name in _SCRIPT)
    return '"use strict";\n(() => {\nlet page;\n\n' + "\n".join(parts) + "})();\n"


_OF_STEPS = ("steps", "progress")

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
    return _items(recording.facts)


def _record(record: Record) -> str:
    tables = (("what it used, in numbers", record.metrics), ("packages", record.packages))
    folded = "".join(
        f"<details><summary>{name}</summary>{_table(table)}</details>" for name, table in tables if table.rows
    )
    return _items(record.facts) + folded


def _items(facts: tuple[tuple[str, str], ...]) -> str:
    items = "".join(f"<dt>{_text(name)}</dt><dd>{_text(value)}</dd>" for name, value in facts)
    return f"<dl>{items}</dl>" if items else ""


def _ranks(recordings: tuple[Recording, ...]) -> str:
    """The section of jobs; nothing where none is one."""
    own = "".join(
        (f"<h3>{_text(one.name)}</h3>" if len(recordings) > 1 else "")
        + _figure(f"ranks-{i}")
        + f"<h3>Hosts</h3>{_table(one.hosts)}"
        + f"<details><summary>every rank, in numbers</summary>{_table(one.ranks)}</details>"
        for i, one in enumerate(recordings)
        if one.ranks and one.hosts
    )
    lead = "The dashed line is the mean. How far the most is above it, is what balancing them would change."
    return f'<section id="ranks"><h2>Ranks and hosts</h2><p class="lead">{lead}</p>{own}</section>' if own else ""


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
