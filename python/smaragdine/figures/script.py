"""plotly.js as pages load it: what these figures are made of, and nothing else.

`packaging/plotly/make.py` makes it. All of plotly.js would take most of a second to be read for what is never drawn.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path


@cache
def plotly_js() -> str:
    """The script, after which `Plotly` is there."""
    return (Path(__file__).parent / "plotlyjs" / "plotly.min.js").read_text(encoding="utf-8")
