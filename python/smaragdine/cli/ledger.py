"""`smaragdine ledger`: where every joule of the counted domains went."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "ledger",
        description="Prints, for each counted domain, where its energy went. The entries of a domain add up to all "
        "that was read from it.",
    )
    parser.add_argument(
        "trace", type=Path, metavar="TRACE", help="the directory that a recording wrote, or a job's folder"
    )
    parser.add_argument("--policy", default="equal", help="how energy was split among operations (default: equal)")
    parser.add_argument("--format", choices=("table", "csv", "json"), default="table", dest="output_format")


def run(args: argparse.Namespace) -> int:
    from smaragdine.cli.table import write_csv, write_json, write_table
    from smaragdine.cli.terminal import tell
    from smaragdine.text.table import Table
    from smaragdine.trace.explained import explained
    from smaragdine.trace.grace import memories
    from smaragdine.trace.trace import Trace

    trace = Trace.open(args.trace)
    trace.require_readings()
    ledger = trace.ledger(args.policy)
    rows = ledger.to_dicts()
    cut = trace.metadata.cut
    told = [line for line in (cut, trace.notice) if line]
    wholes, rests = explained(trace), memories(trace)
    if args.output_format == "json":
        parts = [{**asdict(whole), "share": whole.share, "share_error": whole.share_error} for whole in wholes]
        content = {"notice": trace.notice, "cut": cut, "policy": args.policy, "rows": rows}
        content |= {"explained": parts} if parts else {}
        write_json(content | ({"memory_by_difference": [asdict(rest) for rest in rests]} if rests else {}))
    elif args.output_format == "csv":
        columns = ["policy", "domain", "device", "basis", "entry", "energy_j"]
        write_csv(rows, columns, told + [str(line) for line in (*wholes, *rests)])
    else:
        for line in told:
            tell(line, "yellow")
        if (read := ledger.to_be_read()) is not ledger:
            tell(f"{ledger.hosts} hosts; registers of the same name are one here, and apart in --format csv")
        write_table(Table.of_ledger(read))
        for below in (*wholes, *rests):
            tell(str(below))
    return 0
