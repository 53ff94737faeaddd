"""Figures: pure functions from a trace, runs, a footprint or a diagram to a plotly figure."""

from __future__ import annotations

from smaragdine.figures.consumption import consumption
from smaragdine.figures.curves import curves
from smaragdine.figures.distribution import distribution
from smaragdine.figures.groups import groups
from smaragdine.figures.leaderboard import leaderboard
from smaragdine.figures.ledger import ledger
from smaragdine.figures.phases import phases
from smaragdine.figures.power import power
from smaragdine.figures.ranking import ranking
from smaragdine.figures.ranks import ranks
from smaragdine.figures.regions import regions
from smaragdine.figures.scale import ENERGY, POWER, Scale
from smaragdine.figures.scatter import scatter
from smaragdine.figures.similarity import similarity
from smaragdine.figures.steps import cumulative, progress, steps
from smaragdine.figures.sunburst import sunburst

__all__ = [
    "ENERGY",
    "POWER",
    "Scale",
    "consumption",
    "cumulative",
    "curves",
    "distribution",
    "groups",
    "leaderboard",
    "ledger",
    "phases",
    "power",
    "progress",
    "ranking",
    "ranks",
    "regions",
    "scatter",
    "similarity",
    "steps",
    "sunburst",
]
