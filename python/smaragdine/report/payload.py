"""What the page's script draws from: the operations' columns, the views, the other figures, and how figures look."""

from __future__ import annotations

from typing import Any

from smaragdine.accounts.spread import INTERVAL, deviation
from smaragdine.figures import level, theme
from smaragdine.figures.sunburst import LONGEST_LABEL, MOST_DRAWN, MOST_LINES, MOST_THIN, THIN
from smaragdine.report.columns import ROOTS
from smaragdine.report.content import Content


def payload(content: Content) -> dict[str, Any]:
    """What the page's script draws from, and what it needs to know of how figures look."""
    return {
        "name": content.title,
        "runs": content.count,
        "deviation": deviation(content.count),
        "interval": INTERVAL,
        "trees": ROOTS,
        "columns": content.operations.told(),
        "views": [
            {"caption": view.caption, "tree": view.tree, "phase": view.phase, "measured": view.measured,
             "ring": {"energy": view.ring.energy, "power": view.ring.power}}
            for view in content.views
        ],
        "figures": {
            **content.figures,
            **{f"{key}-{i}": drawn for i, r in enumerate(content.recordings) for key, drawn in r.figures.items()},
        },
        "scale": theme.SCALE,
        "limits": {
            "slices": MOST_DRAWN, "beside": MOST_THIN, "thin": THIN,
            "lines": MOST_LINES, "label": LONGEST_LABEL,
        },
        "level": {
            "height": level.BOX_HEIGHT, "rank": level.RANK_GAP, "gap": level.BOX_GAP, "margin": level.MARGIN,
            "title": level.TITLE_HEIGHT, "beside": level.MOST_BESIDE, "boxes": level.MOST_BOXES,
            "name": level.LONGEST_NAME, "head": level.HEAD,
        },
    }  # fmt: skip
