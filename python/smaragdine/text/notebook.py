"""What notebooks show of a trace, runs, a footprint, a diagram or a ledger: small self-contained HTML."""

from __future__ import annotations

import html
from collections.abc import Iterable

from smaragdine.accounts.comparison import Comparison
from smaragdine.accounts.display import HTML, shows
from smaragdine.accounts.edd import EDD
from smaragdine.accounts.footprint import Footprints
from smaragdine.accounts.group import Groups
from smaragdine.accounts.ledger import Ledger
from smaragdine.accounts.quantity import joules, percent, seconds
from smaragdine.text.table import Table
from smaragdine.trace.runs import Runs
from smaragdine.trace.trace import Trace

TOP = 10
_LEVELS, _LEAST = 3, 0.005

# Colours come from the notebook, so that light and dark both read.
_STYLE = (
    "<style>.smaragdine td,.smaragdine th{text-align:left}.smaragdine .num{text-align:right;white-space:nowrap}"
    ".smaragdine .notice{color:#c2570c}.smaragdine i{display:inline-block;height:.7em;background:#17a06d}</style>"
)


@shows(HTML, Trace)
def page_of_trace(trace: Trace) -> str:
    footprint = trace.footprint()
    totals = ", ".join(f"{device} {energy}" for device, energy in trace.totals().items())
    lead = f"{seconds(trace.metadata.duration_s)}; {totals or 'no readings'}"
    table = Table.of_groups(footprint.top(TOP, "layer"), "layer")
    return _page(trace.name, trace.notice, lead, footprint.coverage.sentence(), table.html())


@shows(HTML, Runs)
def page_of_runs(runs: Runs) -> str:
    table = Table.of_groups(runs.footprint().top(TOP, "layer"), "layer", len(runs))
    return _page(f"{len(runs)} runs", runs.notice, ", ".join(trace.name for trace in runs), table.html())


@shows(HTML, Footprints)
def page_of_footprint(footprint: Footprints) -> str:
    groups = footprint.by("op")
    table = Table.of_groups(groups[:TOP], "operation", groups.runs)
    lead = f"{min(TOP, len(groups))} of {len(groups)} operations"
    title = "STEF" if footprint.summarized else "TEF"
    return _page(title, groups.notice, "; ".join(groups.coverage), lead, table.html())


@shows(HTML, Groups)
def page_of_groups(groups: Groups) -> str:
    table = Table.of_groups(groups, groups.what, groups.runs)
    return _page(f"by {groups.what}", groups.notice, "; ".join(groups.coverage), table.html())


@shows(HTML, Ledger)
def page_of_ledger(ledger: Ledger) -> str:
    return _page(f"Where every joule went: {ledger.total}", ledger.notice, Table.of_ledger(ledger).html())


@shows(HTML, Comparison)
def page_of_comparison(comparison: Comparison) -> str:
    return _page("A and B", comparison.notice, Table.of_comparison(comparison).html())


@shows(HTML, EDD)
def page_of_edd(edd: EDD) -> str:
    """The outer levels as a list with bars, for where no figure can be shown."""
    rows = "".join(_rows(edd, edd, 0))
    lead = f"{joules(edd.energy_j)} {edd.basis}" + (f", {edd.phase} pass" if edd.phase else "")
    return _page(edd.path or edd.name, edd.notice, lead, f"<table>{rows}</table>")


def _rows(box: EDD, whole: EDD, level: int) -> Iterable[str]:
    for child in sorted(box.children, key=lambda child: -child.energy_j) if level < _LEVELS else ():
        share = child.energy_j / whole.energy_j if whole.energy_j > 0 else 0.0
        if share < _LEAST:
            continue
        yield (
            f"<tr><td style='padding-left:{1.4 * level:.1f}em'>{html.escape(child.name)}</td>"
            f"<td><i style='width:{8 * share:.2f}em'></i></td><td class=num>{percent(share)}</td>"
            f"<td class=num>{joules(child.energy_j)}</td></tr>"
        )
        yield from _rows(child, whole, level + 1)


def _page(title: str, notice: str | None, *parts: str) -> str:
    """Parts that are no markup are escaped."""
    told = f"<p class=notice>{html.escape(notice)}</p>" if notice else ""
    body = "".join(part if part.startswith("<table") else f"<p>{html.escape(part)}</p>" for part in parts)
    return f"{_STYLE}<div class=smaragdine><b>{html.escape(title)}</b>{told}{body}</div>"
