"""Figures: pure functions from a diagram, a footprint or a trace to a plotly figure."""

from __future__ import annotations

from smaragdine.figures.distribution import distribution
from smaragdine.figures.power import power
from smaragdine.figures.ranking import ranking
from smaragdine.figures.steps import steps
from smaragdine.figures.sunburst import sunburst

__all__ = ["distribution", "power", "ranking", "steps", "sunburst"]
