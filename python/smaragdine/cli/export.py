"""`smaragdine export`: a trace for other tools."""

from __future__ import annotations

import argparse
import csv
import json
from pathlib import Path
from typing import TYPE_CHECKING

from smaragdine.errors import SmaragdineError

if TYPE_CHECKING:
    from smaragdine.trace import Trace


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "export",
        help="a trace for other tools: a timeline for Perfetto, or tables as CSV",
        description="`perfetto` writes one JSON file with events, steps and power over time, which ui.perfetto.dev and "
        "chrome://tracing open. `csv` writes each table of the trace as a CSV file into a directory; lists and maps "
        "in it are JSON.",
    )
    parser.add_argument("trace", type=Path, metavar="TRACE", help="the directory that a recording wrote")
    parser.add_argument("--format", choices=("perfetto", "csv"), required=True, dest="output_format")
    parser.add_argument(
        "-o", "--output", type=Path, metavar="PATH", help="default: TRACE/perfetto.json, or the directory TRACE/csv"
    )
    parser.add_argument("--policy", default="equal", help="perfetto: whose joules operations tell (default: equal)")


def run(args: argparse.Namespace) -> int:
    from smaragdine.trace import Trace

    trace = Trace.open(args.trace)
    output = args.output or trace.path / ("perfetto.json" if args.output_format == "perfetto" else "csv")
    try:
        if args.output_format == "perfetto":
            _write_perfetto(trace, output, args.policy)
        else:
            _write_csv(trace, output)
    except OSError as error:
        raise SmaragdineError(
            f"cannot write {output}: {error.strerror or error}", "name another place with -o", exit_code=2
        ) from None
    print(output)
    return 0


def _write_perfetto(trace: Trace, output: Path, policy: str) -> None:
    """One event a line, so that a long trace never has to fit into memory."""
    from smaragdine.perfetto import trace_events

    about = {"name": trace.name, "basis": "modelled" if trace.modelled else "measured", "notice": trace.notice or ""}
    with output.open("w", encoding="utf-8") as file:
        file.write(f'{{"displayTimeUnit": "ms", "otherData": {json.dumps(about)}, "traceEvents": [')
        separator = "\n"
        for event in trace_events(trace, policy):
            file.write(separator + json.dumps(event, separators=(",", ":")))
            separator = ",\n"
        file.write("\n]}\n")


def _write_csv(trace: Trace, output: Path) -> None:
    """DuckDB, which may read a received trace's tables alone, says what each cell is; writing is ours."""
    from smaragdine.columns import TABLES, kinds, quoted

    output.mkdir(parents=True, exist_ok=True)
    for table in TABLES:
        cells = [
            f"to_json({quoted(name)})::varchar" if kind.startswith("MAP") or kind.endswith("[]")
            else f"{quoted(name)}::varchar"
            for name, kind in kinds(table).items()
        ]  # fmt: skip
        with (output / f"{table}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(kinds(table))
            for rows in trace.batches(f"select {', '.join(cells)} from {table}"):
                writer.writerows(rows)
