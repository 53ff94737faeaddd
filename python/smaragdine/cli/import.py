"""`smaragdine import`: other tools' logs become traces."""

from __future__ import annotations

import argparse
from pathlib import Path


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "import",
        description="Writes what another tool recorded as a trace. What that tool assumed (its PUE, its carbon "
        "intensity, memory by rule of thumb) stays, and stays marked as its own.",
    )
    parser.add_argument("path", type=Path, metavar="PATH", help="a log: a folder, a zip archive, or emissions.csv")
    parser.add_argument("--from", choices=("tracker", "codecarbon"), required=True, dest="tool",
                        help="experiment-impact-tracker or CodeCarbon")  # fmt: skip
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="OUT",
                        help="the trace to write; of several runs, a directory of traces")  # fmt: skip


def run(args: argparse.Namespace) -> int:
    from smaragdine.cli.terminal import tell
    from smaragdine.trace.imports import codecarbon, directory, tracker

    logs = [tracker.read(args.path)] if args.tool == "tracker" else codecarbon.read(args.path)
    for number, log in enumerate(logs, 1):
        output = args.output if len(logs) == 1 else args.output / f"run={number}"
        directory.write(log, output)
        tell(output)
        for warning in log.warnings:
            tell(f"{log.name}: {warning}", "yellow")
    return 0
