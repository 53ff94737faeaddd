"""Colours and lettering of all figures.

One emerald hue from pale to deep: order is told by lightness alone, so it survives colour blindness and grey print.
Text outside boxes is a grey that reads on white and on dark paper, and the paper itself is transparent.
"""

from __future__ import annotations

import html
import math
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from smaragdine.accounts import words
from smaragdine.accounts.energy import MODELLED_NOTICE

if TYPE_CHECKING:
    import plotly.graph_objects as go

SCALE = ("#f3fdf8", "#dcf7ea", "#bbeed7", "#91e2bf", "#62d2a3", "#35bb86", "#17a06d", "#0a8659", "#066e49")

INK = "#6b7280"
GRID = "rgba(128, 138, 148, 0.25)"
LINE = "#7b8794"
WARNING = "#c2570c"

NOTICE = "notice"
"""Name of the annotation that holds the sentence of a modelled trace."""
_NOTICE_WIDTH = 96
SUBTITLE_HEIGHT = 24
FONT = "Inter, 'Helvetica Neue', Helvetica, Arial, 'Liberation Sans', sans-serif"

# Passes, apart in hue and in lightness (after Okabe and Ito).
PHASES = dict(zip(words.PHASES, ("#0b8a60", "#d98c00", "#7a5ea8", "#8a94a0"), strict=True))
MIXED = "#4b8fb8"

# Domains in order of appearance.
DOMAINS = ("#0b8a60", "#d98c00", "#4b8fb8", "#b0587e", "#7a5ea8", "#8a94a0")

# Shares of a level are mostly small: by their root, twelve equal layers are still told from a bias of one per cent.
PLOTLY_SCALE = [[(index / (len(SCALE) - 1)) ** 2, colour] for index, colour in enumerate(SCALE)]

PLAIN_SCALE = [[index / (len(SCALE) - 1), colour] for index, colour in enumerate(SCALE)]

# From -1 to 1: violet for what runs against each other, apart from emerald in hue and for the colour-blind alike.
_DIVERGING = ("#5b3f8c", "#b9a7d6", "#f7f7f7", "#91e2bf", "#066e49")
DIVERGING = [[index / (len(_DIVERGING) - 1), colour] for index, colour in enumerate(_DIVERGING)]


def colour(share: float) -> str:
    """The fill for a share in 0…1, as `#rrggbb`."""
    return _between(SCALE, math.sqrt(min(1.0, max(0.0, share))))


def plain(value: float) -> str:
    """The fill for a value in 0…1 that is not a share, as `#rrggbb`."""
    return _between(SCALE, min(1.0, max(0.0, value)))


def diverging(value: float) -> str:
    """The fill for a value in -1…1, as `#rrggbb`."""
    return _between(_DIVERGING, (min(1.0, max(-1.0, value)) + 1) / 2)


def _between(scale: tuple[str, ...], at: float) -> str:
    place = at * (len(scale) - 1)
    index = min(int(place), len(scale) - 2)
    low, high = (tuple(int(scale[i][k : k + 2], 16) for k in (1, 3, 5)) for i in (index, index + 1))
    mixed = (round(a + (b - a) * (place - index)) for a, b in zip(low, high, strict=True))
    return "#" + "".join(f"{channel:02x}" for channel in mixed)


def faint(colour: str, opacity: float = 0.2) -> str:
    """A `#rrggbb` colour that lets through what is below."""
    red, green, blue = (int(colour[k : k + 2], 16) for k in (1, 3, 5))
    return f"rgba({red}, {green}, {blue}, {opacity})"


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


def broken(name: str, width: int = 72, lines: int = 4) -> str:
    """A long name over several lines, cut in the middle beyond that."""
    name = shorten(name, width * lines)
    return "\n".join(name[i : i + width] for i in range(0, len(name), width))


def shorten(name: str, length: int) -> str:
    """At most `length` characters, cut in the middle: a name's end tells as much as its start."""
    if len(name) <= length:
        return name
    head = (length - 1 + 1) // 2
    return f"{name[:head]}…{name[len(name) - (length - 1 - head) :]}"


def axis(title: str, **layout: Any) -> dict[str, Any]:
    """An axis with its unit in words, hair lines and no heavy zero."""
    return {
        "title": {"text": title}, "gridcolor": GRID, "zeroline": False, "automargin": True, "ticks": "outside",
        "ticklen": 5, "tickcolor": "rgba(0,0,0,0)",
    } | layout  # fmt: skip


def names(labels: Sequence[str]) -> dict[str, Any]:
    """A vertical axis of names from the top downwards, for bars at 0, 1, 2 …; `room` tells the left margin it needs."""
    rows = max(1, len(labels))
    return {
        "tickvals": list(range(len(labels))), "ticktext": [safe(label) for label in labels],
        "range": [rows - 0.45, -0.55], "fixedrange": True, "showgrid": False, "zeroline": False, "ticks": "outside",
        "ticklen": 6, "tickcolor": "rgba(0,0,0,0)", "visible": any(labels),
    }  # fmt: skip


def room(labels: Sequence[str]) -> int:
    """Pixels for the longest of the names, in 12 px letters whose mean width is below 7 px."""
    return 24 + 7 * max((len(label) for label in labels), default=0)


LEGEND = {"orientation": "h", "x": 1, "xanchor": "right", "y": 1, "yanchor": "bottom"}


def say(figure: go.Figure, text: str) -> None:
    """A sentence in the middle, where there is nothing to draw."""
    figure.add_annotation(
        text=text, showarrow=False, xref="paper", yref="paper", x=0.5, y=0.5, font={"size": 14, "color": INK}
    )


def whiskers(figure: go.Figure, meaning: str | None) -> None:
    """What the whiskers are, at the lower right; nothing where there are none."""
    if meaning is not None:
        figure.add_annotation(
            name="whiskers", text=f"whiskers: {meaning}", showarrow=False, xref="paper", yref="paper", x=1, y=0,
            xanchor="right", yanchor="top", yshift=-26, font={"size": 11},
        )  # fmt: skip


def dress(
    figure: go.Figure,
    title: str,
    *,
    modelled: bool,
    notice: str | None = None,
    subtitle: str = "",
    all_of_it: bool = True,
    **layout: Any,
) -> go.Figure:
    """The common look, and the words that a modelled trace owes to whoever sees the figure: its `notice`.

    `all_of_it`: everything shown is modelled, not just a part that says so itself.
    """
    notice = notice or (MODELLED_NOTICE if modelled else None)
    heading = f"<b>{safe(title)}</b>" + (" (modelled)" if modelled and all_of_it else "")
    margin = {"l": 16, "r": 16, "t": 48, "b": 16} | layout.pop("margin", {})
    below = SUBTITLE_HEIGHT if subtitle else 0
    margin["t"] += below
    above = 0
    if notice:
        text = "<br>".join(safe(line) for line in textwrap.wrap(notice, _NOTICE_WIDTH))
        above = _height(text)
        margin["t"] += above
        figure.add_annotation(
            name=NOTICE, text=text,
            xref="paper", x=0, xanchor="left", xshift=12 - margin["l"], yref="paper", y=1, yanchor="top",
            yshift=margin["t"] - 30 - below, showarrow=False, align="left", font={"size": 11, "color": WARNING},
        )  # fmt: skip
    if "height" in layout:
        layout["height"] += below + above
    figure.update_layout(
        title={"text": heading, "x": 0, "xref": "container", "xanchor": "left", "pad": {"l": 12, "t": 4},
               "y": 1, "yref": "container", "yanchor": "top", "font": {"size": 15},
               "subtitle": {"text": safe(subtitle), "font": {"size": 12}}},
        font={"family": FONT, "size": 12, "color": INK},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        margin=margin,
        hoverlabel={"font": {"family": FONT, "size": 12}, "align": "left"},
        **layout,
    )  # fmt: skip
    return figure


def _height(notice: str) -> int:
    """Pixels that the lines of a notice take, with the air around them."""
    return 4 + 15 * (1 + notice.count("<br>"))


def undressed(figure: go.Figure) -> dict[str, Any]:
    """The figure as JSON values, for a page that has told a modelled trace's sentence already: the word alone stays."""
    content: dict[str, Any] = figure.to_plotly_json()
    layout = content["layout"]
    annotations = layout.get("annotations", ())
    kept = [annotation for annotation in annotations if annotation.get("name") != NOTICE]
    if len(kept) < len(annotations):
        above = sum(_height(annotation["text"]) for annotation in annotations if annotation.get("name") == NOTICE)
        layout["annotations"] = kept
        layout["margin"]["t"] -= above
        if "height" in layout:
            layout["height"] -= above
    layout.pop("template", None)
    return content
