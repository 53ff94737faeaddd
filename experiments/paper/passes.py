"""The model's own operations: what the paper's footprints hold is the forward and the backward pass."""

from __future__ import annotations

from dataclasses import replace

from smaragdine.accounts.footprint import Footprint, RunsFootprint
from smaragdine.accounts.group import Group
from smaragdine.trace.runs import Runs

PASSES = ("forward", "backward")


def passes(of: Footprint | RunsFootprint | Runs) -> RunsFootprint:
    """Only operations of both passes."""
    footprint = of.footprint() if isinstance(of, Runs) else of
    return RunsFootprint(
        tuple(replace(one, rows=tuple(row for row in one.rows if row.phase in PASSES)) for one in footprint.footprints)
    )


def by_phase(runs: Runs) -> dict[str, Group]:
    """Mean energy and time by pass; measured joules where a pass has any, for two bases do not add up."""
    groups = runs.footprint().by("phase")
    return {group.name: group for group in reversed(groups)}


def kind(name: str) -> str:
    """The type that a tensor's name tells: `…/MatMul_grad/MatMul_1` → `MatMul`."""
    tensor = name.rsplit("/", 1)[-1]
    stem, _, number = tensor.rpartition("_")
    return stem if stem and number.isdigit() else tensor
