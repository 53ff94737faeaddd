"""Colours and lettering of all figures.

One emerald hue from pale to deep: order is told by lightness alone, so it survives colour blindness and grey print.
Text outside boxes is a grey that reads on white and on dark paper, and the paper itself is transparent.
"""

from __future__ import annotations

import html
import math
import textwrap
from typing import TYPE_CHECKING, Any

from smaragdine.energy import MODELLED_NOTICE

if TYPE_CHECKING:
    import plotly.graph_objects as go

SCALE = ("#f3fdf8", "#dcf7ea", "#bbeed7", "#91e2bf", "#62d2a3", "#35bb86", "#17a06d", "#0a8659", "#066e49")

INK = "#6b7280"
GRID = "rgba(128, 138, 148, 0.25)"
LINE = "#7b8794"
WARNING = "#c2570c"

NOTICE = "notice"
"""Name of the annotation that holds the sentence of a modelled trace."""
NOTICE_HEIGHT = 34
FONT = "Inter, 'Helvetica Neue', Helvetica, Arial, 'Liberation Sans', sans-serif"

# Passes, apart in hue and in lightness (after Okabe and Ito).
PHASES = {"forward": "#0b8a60", "backward": "#d98c00", "optimizer": "#7a5ea8", "other": "#8a94a0"}
MIXED = "#4b8fb8"

# Domains in order of appearance.
DOMAINS = ("#0b8a60", "#d98c00", "#4b8fb8", "#b0587e", "#7a5ea8", "#8a94a0")

# Shares of a level are mostly small: by their root, twelve equal layers are still told from a bias of one per cent.
PLOTLY_SCALE = [[(index / (len(SCALE) - 1)) ** 2, colour] for index, colour in enumerate(SCALE)]


def colour(share: float) -> str:
    """The fill for a share in 0…1, as `#rrggbb`."""
    place = math.sqrt(min(1.0, max(0.0, share))) * (len(SCALE) - 1)
    index = min(int(place), len(SCALE) - 2)
    low, high = (tuple(int(SCALE[i][k : k + 2], 16) for k in (1, 3, 5)) for i in (index, index + 1))
    mixed = (round(a + (b - a) * (place - index)) for a, b in zip(low, high, strict=True))
    return "#" + "".join(f"{channel:02x}" for channel in mixed)


def ink_on(fill: str) -> str:
    """Near-black or white, whichever contrasts more with a `#rrggbb` fill."""
    luminance = 0.0
    for k, weight in ((1, 0.2126), (3, 0.7152), (5, 0.0722)):
        channel = int(fill[k : k + 2], 16) / 255
        luminance += weight * (channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4)
    return "#ffffff" if luminance < 0.192 else "#03140d"


def safe(text: str) -> str:
    """A name as plotly may show it: plotly reads some HTML in every text."""
    return html.escape(text, quote=True)


def shorten(name: str, length: int) -> str:
    """At most `length` characters, cut in the middle: a name's end tells as much as its start."""
    if len(name) <= length:
        return name
    head = (length - 1 + 1) // 2
    return f"{name[:head]}…{name[len(name) - (length - 1 - head) :]}"


def dress(figure: go.Figure, title: str, *, modelled: bool, **layout: Any) -> go.Figure:
    """The common look, and the words that a modelled trace owes to whoever sees the figure."""
    heading = f"<b>{safe(title)}</b>" + (" (modelled)" if modelled else "")
    margin = {"l": 16, "r": 16, "t": 48, "b": 16} | layout.pop("margin", {})
    if modelled:
        margin["t"] += NOTICE_HEIGHT
        figure.add_annotation(
            name=NOTICE, text="<br>".join(safe(line) for line in textwrap.wrap(MODELLED_NOTICE, 96)),
            xref="paper", x=0, xanchor="left", xshift=12 - margin["l"], yref="paper", y=1, yanchor="top",
            yshift=margin["t"] - 30, showarrow=False, align="left", font={"size": 11, "color": WARNING},
        )  # fmt: skip
    figure.update_layout(
        title={"text": heading, "x": 0, "xref": "container", "xanchor": "left", "pad": {"l": 12, "t": 4},
               "y": 1, "yref": "container", "yanchor": "top", "font": {"size": 15}},
        font={"family": FONT, "size": 12, "color": INK},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        margin=margin,
        hoverlabel={"font": {"family": FONT, "size": 12}, "align": "left"},
        **layout,
    )  # fmt: skip
    return figure


def undressed(figure: go.Figure) -> dict[str, Any]:
    """The figure as JSON values, for a page that has told a modelled trace's sentence already: the word alone stays."""
    content: dict[str, Any] = figure.to_plotly_json()
    layout = content["layout"]
    annotations = layout.get("annotations", ())
    kept = [annotation for annotation in annotations if annotation.get("name") != NOTICE]
    if len(kept) < len(annotations):
        layout["annotations"] = kept
        layout["margin"]["t"] -= NOTICE_HEIGHT
        if "height" in layout:
            layout["height"] -= NOTICE_HEIGHT
    layout.pop("template", None)
    return content
