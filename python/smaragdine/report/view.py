"""One way to look at the program in the report: which rows hang in which tree, and how its ring is dressed."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from smaragdine import figures
from smaragdine.accounts.edd import EDD
from smaragdine.accounts.energy import MEASURED, MODELLED
from smaragdine.accounts.quantity import joules
from smaragdine.figures import POWER, theme
from smaragdine.figures.sunburst import left_out
from smaragdine.report.columns import Columns


@dataclass(frozen=True, slots=True)
class Ring:
    """How the sunburst is dressed, as plotly's JSON without slices; the same of all views that show one basis."""

    energy: dict[str, Any]
    power: dict[str, Any] | None
    """None where power was modelled."""


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
    ring: Ring

    @classmethod
    def all(cls, columns: Columns, runs: int, folds: bool) -> Iterator[View]:
        """All passes by layer, the same with self-similar layers folded, then each pass; those that show anything."""
        rings: dict[tuple[bool, bool], Ring] = {}
        whole = cls._of(columns, runs, rings, "all passes", "layer")
        if whole is None:
            return
        yield whole
        if folds:
            yield replace(whole, label="all passes, layers folded", tree="folded")
        for phase in ("forward", "backward", "optimizer"):
            view = cls._of(columns, runs, rings, f"{phase} pass", "name", phase)
            if view is not None:
                yield view

    @classmethod
    def _of(
        cls,
        columns: Columns,
        runs: int,
        rings: dict[tuple[bool, bool], Ring],
        label: str,
        tree: str,
        phase: str | None = None,
    ) -> View | None:
        shown = columns.of_phase(phase)
        of_measured = shown & (columns.row_measured == 1)
        if not shown.any():
            return None
        measured = bool(of_measured.any())
        own, other = (of_measured, shown & ~of_measured) if measured else (shown, of_measured)
        energy_j, left_out_j = (math.fsum(columns.row_energy_j[rows].tolist()) / runs for rows in (own, other))
        # The whole program as one box: what is inside is drawn by the page.
        whole = EDD("", "", MEASURED if measured else MODELLED, energy_j=energy_j, runs=runs, left_out_j=left_out_j)
        mean = f", the mean of {runs} runs" if runs > 1 else ""
        kind = (measured, energy_j > 0)
        if kind not in rings:
            power = _ring(figures.sunburst(whole, scale=POWER)) if measured else None
            rings[kind] = Ring(_ring(figures.sunburst(whole)), power)
        caption = f"{joules(energy_j)} in operations{mean}{left_out(whole)}."
        return cls(label, caption, tree, phase, measured, energy_j, rings[kind])


def _ring(figure: Any) -> dict[str, Any]:
    drawing = theme.undressed(figure)
    drawing["layout"].pop("title", None)
    drawing["layout"]["margin"]["t"] = 12
    trace = drawing["data"][0]
    for slices in ("ids", "labels", "parents", "values", "hovertext", "level", "maxdepth"):
        del trace[slices]
    del trace["marker"]["colors"]
    return drawing
