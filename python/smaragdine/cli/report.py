"""`smaragdine report`: one self-contained HTML file about a trace, or several of the same thing."""

from __future__ import annotations

import argparse
from pathlib import Path

from smaragdine.cli.terminal import tell


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "report",
        description="Writes a report that opens anywhere, without a network. Several traces of the same thing give "
        "mean and standard deviation.",
    )
    parser.add_argument("traces", type=Path, nargs="+", metavar="TRACE", help="the directory that a recording wrote")
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="default: TRACE/report.html; - is standard output"
    )
    parser.add_argument("--policy", default="equal", help="how energy was split among operations (default: equal)")


def run(args: argparse.Namespace) -> int:
    from smaragdine import report
    from smaragdine.files.writing import is_stream
    from smaragdine.trace.runs import Runs

    runs = Runs.open(*args.traces)
    path = report.write(runs, args.output, policy=args.policy)
    if not is_stream(path):
        tell(path)
    return 0
