"""A leaderboard as one HTML page that loads nothing."""

from __future__ import annotations

import html
from importlib.resources import files

from smaragdine import figures
from smaragdine.carbon.leaderboard import Leaderboard
from smaragdine.text.board import of_leaderboard

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<header><p class="brand">smaragdine <span>leaderboard</span></p><h1>{title}</h1>{notices}</header>
<main><section>{figure}</section><section><div class="scroll">{table}</div></section>
<section><ul class="notes">{notes}</ul></section></main>
<script>document.documentElement.dataset.ready = "";</script>
</body>
</html>
"""


def page(board: Leaderboard) -> str:
    """The figure, the table and what its numbers are. It depends on the leaderboard alone."""
    drawn = figures.leaderboard(board)
    shown = drawn.to_html(full_html=False, include_plotlyjs=True, config={"displaylogo": False}, div_id="leaderboard")
    return _PAGE.format(
        title=html.escape(f"Leaderboard: {board.metric.name}"),
        style=files("smaragdine.report").joinpath("report.css").read_text(encoding="utf-8"),
        notices="".join(f'<p class="notice" role="note">{html.escape(one)}</p>' for one in board.notices),
        figure=shown,
        table=of_leaderboard(board).html(),
        notes="".join(f"<li>{html.escape(note)}</li>" for note in board.notes),
    )
