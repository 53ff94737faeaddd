"""The page's sunburst: all of a small program; of a large one what is seen, for which the page asks each time."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from smaragdine.accounts.edd import EDD
from smaragdine.figures import ENERGY, POWER, sunburst
from smaragdine.figures.scale import Scale
from smaragdine.view.drawing import as_shown
from smaragdine.view.selection import Selection
from smaragdine.view.session import Session

# A page takes a second for what thousands of slices have to tell, most of which nobody looks at.
_MOST_SENT = 1500
_KEPT = 16


def ring(session: Session, shown: Selection, path: str) -> dict[str, Any]:
    """As the page is sent it, opened at a layer."""
    edd, opened = session.edd(shown), session.box(shown, path)
    if is_large(edd):
        return _around(edd, scale_of(shown, edd), opened)
    figure = _around(edd, scale_of(shown, edd), None)
    return {**figure, "data": [{**figure["data"][0], "level": place(edd, opened)}, *figure["data"][1:]]}


def is_large(edd: EDD) -> bool:
    """Whether the page is sent what is seen alone."""
    return sum(1 for _ in edd.walk()) > _MOST_SENT


def place(edd: EDD, opened: EDD) -> str:
    """The slice of a box."""
    return str(next(place for place, box in enumerate(edd.walk()) if box is opened))


def scale_of(shown: Selection, edd: EDD) -> Scale:
    """By energy where power was modelled."""
    return POWER if shown.scale == POWER.name and not edd.modelled else ENERGY


@lru_cache(_KEPT)
def _around(edd: EDD, scale: Scale, opened: EDD | None) -> dict[str, Any]:
    figure = as_shown(sunburst(edd, scale=scale, around=opened))
    # As high as the page has room for.
    del figure["layout"]["height"]
    return figure
