"""The product's tables as cells of text: the same in the terminal, in the report and in a notebook."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from smaragdine.accounts.energy import MEASURED
from smaragdine.accounts.ledger import ENTRIES, MEANINGS
from smaragdine.accounts.quantity import joules, number, percent, seconds, watts
from smaragdine.accounts.spread import INTERVAL, Spread, deviation
from smaragdine.shown import shown
from smaragdine.text.aligned import GAP, aligned, widths

if TYPE_CHECKING:
    from smaragdine.accounts.comparison import Comparison
    from smaragdine.accounts.group import Group
    from smaragdine.accounts.ledger import Ledger


@dataclass(frozen=True, slots=True)
class Table:
    """Cells are text; `numeric` tells the columns that are set right-aligned."""

    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric: frozenset[int] = frozenset()
    bars: tuple[float, ...] = ()
    """A share in 0…1 of each row that may be drawn beside it; none for the last rows where there are fewer."""

    @classmethod
    def of_groups(cls, groups: Sequence[Group], what: str, runs: int = 1) -> Table:
        """Energy with its spread, share, time, power, count and basis of each."""
        spreads = [Spread.of_energy(group, runs) for group in groups]
        told = any(spreads)
        rows = []
        for group, spread in zip(groups, spreads, strict=True):
            row = [
                group.name,
                joules(group.energy_j),
                percent(group.share),
                seconds(group.time_s),
                # Watts per operation mean nothing where power was modelled.
                watts(group.power_w) if group.basis == MEASURED else "–",
                number(group.count),
                group.basis,
            ]
            if told:
                row.insert(2, _bounds(spread))
            rows.append(tuple(row))
        headers = [what, "energy", "share", "time", "power", "count", "basis"]
        if told:
            headers.insert(2, deviation(runs) if runs > 1 else INTERVAL)
        return cls(
            tuple(headers), tuple(rows), frozenset(range(1, len(headers) - 1)), tuple(group.share for group in groups)
        )

    @classmethod
    def of_ledger(cls, ledger: Ledger) -> Table:
        """Joules and share of each entry in each counted domain, their sums, and what the entries mean."""
        held = {domain: ledger.domain(domain) for domain in ledger.domains}
        totals = {domain: sum(entries.values()) for domain, entries in held.items()}
        bases = {row.domain: row.basis for row in ledger}
        rows = []
        for entry in ENTRIES:
            row = [entry]
            for domain, entries in held.items():
                energy_j = entries.get(entry, 0.0)
                row += [joules(energy_j), percent(energy_j / totals[domain]) if totals[domain] > 0 else "–"]
            rows.append((*row, MEANINGS[entry]))
        sums = (cell for domain in held for cell in (joules(totals[domain]), ""))
        rows.append(("sum", *sums, "all readings"))
        headers = ("entry", *(cell for domain in held for cell in (f"{domain} ({bases[domain]})", "")), "what it is")
        basis = ledger.bases[0] if ledger.bases else MEASURED
        total_j = ledger.total[basis]
        bars = tuple(ledger.entry(entry)[basis] / total_j if total_j > 0 else 0.0 for entry in ENTRIES)
        return cls(headers, tuple(rows), frozenset(range(1, len(headers) - 1)), bars)

    @classmethod
    def of_comparison(cls, comparison: Comparison, most: int | None = None) -> Table:
        """What each name took in A and in B, and the change between."""
        rows = []
        for one in comparison.differences[:most]:
            sign = "+" if one.energy_change_j > 0 else "−" if one.energy_change_j < 0 else ""
            ratio = one.energy_ratio
            rows.append(
                (
                    one.name,
                    joules(one.energy_a_j),
                    joules(one.energy_b_j),
                    f"{sign}{joules(abs(one.energy_change_j))}",
                    "–"
                    if ratio is None
                    else f"{'+' if ratio > 1 else '−' if ratio < 1 else ''}{percent(abs(ratio - 1))}",
                    seconds(one.time_a_s),
                    seconds(one.time_b_s),
                    one.basis,
                )
            )
        headers = (comparison.by, "A", "B", "B − A", "", "time A", "time B", "basis")
        return cls(headers, tuple(rows), frozenset(range(1, 7)))

    def lines(self) -> list[list[str]]:
        """Header and rows, with nothing in them that moves a cursor."""
        return [[shown(cell) for cell in line] for line in (self.headers, *self.rows)]

    def text(self) -> str:
        """Columns padded to their widest cell, numeric ones to the right."""
        lines = self.lines()
        room = widths(lines)
        return "\n".join(GAP.join(aligned(line, room, self.numeric)).rstrip() for line in lines)

    def html(self) -> str:
        """A table element, every cell escaped."""

        def cells(tag: str, row: Sequence[str]) -> str:
            return "".join(
                f"<{tag}{' class=num' if i in self.numeric else ''}>{html.escape(cell)}</{tag}>"
                for i, cell in enumerate(row)
            )

        body = "".join(f"<tr>{cells('td', row)}</tr>" for row in self.rows)
        return f"<table><thead><tr>{cells('th', self.headers)}</tr></thead><tbody>{body}</tbody></table>"


def _bounds(spread: Spread | None) -> str:
    """Short, for the header says what it is."""
    if spread is None:
        return "–"
    if spread.meaning == INTERVAL:
        return f"{joules(spread.low)} … {joules(spread.high)}"
    return f"± {joules((spread.high - spread.low) / 2)}"
