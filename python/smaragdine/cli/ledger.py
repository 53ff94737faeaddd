"""`smaragdine ledger`: where every joule of the counted domains went."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from smaragdine.ledger import Ledger


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "ledger",
        help="where every joule went",
        description="Prints, for each counted domain, where its energy went. The entries of a domain add up to all "
        "that was read from it.",
    )
    parser.add_argument("trace", type=Path, metavar="TRACE", help="the directory that a recording wrote")
    parser.add_argument("--policy", default="equal", help="how energy was split among operations (default: equal)")
    parser.add_argument("--format", choices=("table", "csv", "json"), default="table", dest="output_format")


def run(args: argparse.Namespace) -> int:
    from smaragdine.cli.table import write_csv, write_json
    from smaragdine.trace import Trace

    trace = Trace.open(args.trace)
    trace.require_readings()
    ledger = trace.ledger(args.policy)
    rows = ledger.to_dicts()
    if args.output_format == "json":
        write_json({"notice": trace.notice, "policy": args.policy, "rows": rows})
    elif args.output_format == "csv":
        columns = ["policy", "domain", "device", "basis", "entry", "energy_j"]
        write_csv(rows, columns, [trace.notice] if trace.notice else [])
    else:
        if trace.notice:
            print(trace.notice)
        _table(ledger)
    return 0


def _table(ledger: Ledger) -> None:
    from smaragdine.cli.table import write_table
    from smaragdine.ledger import ENTRIES, MEANINGS
    from smaragdine.quantity import joules, percent

    held = {domain: ledger.domain(domain) for domain in ledger.domains}
    totals = {domain: sum(entries.values()) for domain, entries in held.items()}
    basis = {row.domain: row.basis for row in ledger}
    rows = []
    for entry in ENTRIES:
        row = [entry]
        for domain, entries in held.items():
            energy_j = entries.get(entry, 0.0)
            row += [joules(energy_j), percent(energy_j / totals[domain]) if totals[domain] > 0 else "–"]
        rows.append([*row, MEANINGS[entry]])
    rows.append(["sum", *(cell for domain in held for cell in (joules(totals[domain]), "")), "all readings"])
    headers = ["entry", *(cell for domain in held for cell in (f"{domain} ({basis[domain]})", "")), ""]
    write_table(headers, rows, numeric=range(1, len(headers) - 1))
