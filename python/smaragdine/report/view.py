"""One way to look at the program in the report: which rows hang in which tree, and how its ring is dressed."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from smaragdine import figures
from smaragdine.accounts.edd import EDD
from smaragdine.accounts.energy import MEASURED, MODELLED
from smaragdine.accounts.footprint import Footprints
from smaragdine.accounts.quantity import joules
from smaragdine.accounts.summary import Summary
from smaragdine.figures import POWER, theme
from smaragdine.figures.sunburst import left_out


@dataclass(frozen=True, slots=True)
class View:
    """What a diagram shows. Its boxes are made of `Columns`, in the page, once somebody looks at it."""

    label: str
    caption: str
    """How much energy the picture shows."""
    tree: str
    """One of `columns.ROOTS`."""
    phase: str | None
    """The pass whose rows it shows; None for all."""
    measured: bool
    """The basis of the rows that it shows."""
    energy_j: float
    sunburst: dict[str, Any]
    """The ring as plotly's JSON, without slices."""
    by_power: dict[str, Any] | None
    """The same by power; None where power was modelled."""

    @classmethod
    def all(cls, footprint: Footprints, summary: Summary, name: str) -> Iterator[View]:
        """All passes by layer, the same with self-similar layers folded, then each pass; those that show anything."""
        whole = cls._of(footprint, name, "all passes", "layer", None)
        if whole is None:
            return
        yield whole
        if summary.folds and (folded := cls._of(footprint, name, "all passes, layers folded", "folded", None)):
            yield folded
        for phase in ("forward", "backward", "optimizer"):
            view = cls._of(footprint, name, f"{phase} pass", "name", phase)
            if view is not None:
                yield view

    @classmethod
    def _of(cls, footprint: Footprints, name: str, label: str, tree: str, phase: str | None) -> View | None:
        runs = len(footprint.footprints)
        held: dict[str, list[float]] = {}
        for one in footprint.footprints:
            for row in one.rows:
                if phase is None or row.phase == phase:
                    held.setdefault(row.basis, []).append(row.energy_j / runs)
        if not held:
            return None
        basis = MEASURED if MEASURED in held else MODELLED
        energy_j = math.fsum(held.pop(basis))
        # The whole program as one box: what is inside is drawn by the page.
        whole = EDD(name, "", basis, energy_j=energy_j, runs=runs, left_out_j=math.fsum(held.get(MODELLED, ())))
        mean = f", the mean of {runs} runs" if runs > 1 else ""
        return cls(
            label=label,
            caption=f"{joules(energy_j)} in operations{mean}{left_out(whole)}.",
            tree=tree,
            phase=phase,
            measured=basis == MEASURED,
            energy_j=energy_j,
            sunburst=_ring(figures.sunburst(whole)),
            by_power=None if whole.modelled else _ring(figures.sunburst(whole, scale=POWER)),
        )


def _ring(figure: Any) -> dict[str, Any]:
    drawing = theme.undressed(figure)
    drawing["layout"].pop("title", None)
    drawing["layout"]["margin"]["t"] = 12
    trace = drawing["data"][0]
    for slices in ("ids", "labels", "parents", "values", "hovertext", "level", "maxdepth"):
        del trace[slices]
    del trace["marker"]["colors"]
    return drawing
