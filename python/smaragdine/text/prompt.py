"""What a Python prompt and `print` show of runs, a footprint, its groups, a diagram, a ledger: a short table."""

from __future__ import annotations

from collections.abc import Sequence

from smaragdine.accounts.comparison import Comparison
from smaragdine.accounts.display import TEXT, shows
from smaragdine.accounts.edd import EDD
from smaragdine.accounts.footprint import Footprint, Footprints
from smaragdine.accounts.group import Groups
from smaragdine.accounts.ledger import Ledger
from smaragdine.accounts.quantity import joules, seconds
from smaragdine.shown import shown
from smaragdine.text.table import Table
from smaragdine.text.tree import tree
from smaragdine.trace.runs import Runs

_TOP = 10
# More than anybody asks for with `top`, and fewer than fill a screen.
_MOST = 60
_DEPTH, _BOXES = 2, 6


@shows(TEXT, Footprints)
def text_of_footprint(footprint: Footprints) -> str:
    first, groups = footprint.footprints[0], footprint.by("op")
    kind = "STEF" if footprint.summarized else "TEF"
    amount = "" if first.per == "run" else f" per {first.per}"
    extent = ", extrapolated to all steps" if first.scope == "run" else ""
    total = f": {first.total}{amount}" if isinstance(footprint, Footprint) else f", mean of {groups.runs} runs{amount}"
    lead = f"{kind} by policy {first.policy}, {len(groups)} operations{extent}{total}"
    return _lines(groups.notice, *groups.coverage, lead, *_table_of_groups(groups, _TOP))


@shows(TEXT, Groups)
def text_of_groups(groups: Groups) -> str:
    return _lines(groups.notice, *groups.coverage, *_table_of_groups(groups, _MOST))


@shows(TEXT, Ledger)
def text_of_ledger(ledger: Ledger) -> str:
    return _lines(ledger.notice, f"ledger by policy {ledger.policy}: {ledger.total}", Table.of_ledger(ledger))


@shows(TEXT, Comparison)
def text_of_comparison(comparison: Comparison) -> str:
    table = Table.of_comparison(comparison, _TOP)
    return _lines(comparison.notice, table, *_left_out(len(comparison) - _TOP))


@shows(TEXT, EDD)
def text_of_edd(edd: EDD) -> str:
    phase = f", {edd.phase} pass" if edd.phase else ""
    runs = f", mean of {edd.runs} runs" if edd.runs > 1 else ""
    lead = f"EDD of {edd.path or edd.name}: {joules(edd.energy_j)} {edd.basis}{phase}{runs}"
    return _lines(edd.notice, lead, tree(edd, depth=_DEPTH, top=_BOXES))


@shows(TEXT, Runs)
def text_of_runs(runs: Runs) -> str:
    """From what the traces say of themselves: no table is read for it."""
    rows = tuple((trace.name, seconds(trace.metadata.duration_s), str(trace.path)) for trace in runs)
    return _lines(runs.notice, runs.cut, f"{len(runs)} runs", Table(("name", "recorded", "path"), rows, frozenset({1})))


def _table_of_groups(groups: Groups, most: int) -> Sequence[Table | str]:
    table = Table.of_groups(groups[:most], groups.what, groups.runs)
    return (table, *_left_out(len(groups) - most))


def _left_out(more: int) -> Sequence[str]:
    return (f"… and {more:,} more",) if more > 0 else ()


def _lines(*parts: Table | str | None) -> str:
    return "\n".join(part.text() if isinstance(part, Table) else shown(part) for part in parts if part)
