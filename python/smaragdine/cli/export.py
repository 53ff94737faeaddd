"""`smaragdine export`: a trace for other tools."""

from __future__ import annotations

import argparse
import csv
import io
import json
from contextlib import ExitStack
from pathlib import Path
from typing import IO, TYPE_CHECKING

from smaragdine.accounts.energy import MEASURED, MODELLED
from smaragdine.cli.terminal import tell
from smaragdine.errors import UsageError
from smaragdine.shown import cell

if TYPE_CHECKING:
    from smaragdine.files.writing import Folder
    from smaragdine.trace.trace import Trace


# What is written into the trace where nobody names a place.
_NAMES = {"perfetto": "perfetto.json", "csv": "csv", "profile": "profile.json"}


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "export",
        description="`perfetto` writes one JSON file with events, steps and power over time, which ui.perfetto.dev and "
        "chrome://tracing open. `csv` writes each table of the trace as a CSV file into a directory; lists and maps "
        "in it are JSON. `profile` writes what the run took by component and epoch or step as a small JSON file, which "
        "`smaragdine view` varies.",
    )
    parser.add_argument("trace", type=Path, metavar="TRACE", help="the directory that a recording wrote")
    parser.add_argument("--format", choices=("perfetto", "csv", "profile"), required=True, dest="output_format")
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="PATH",
        help="default: TRACE/perfetto.json, TRACE/profile.json, or the directory TRACE/csv",
    )
    parser.add_argument("--policy", default="equal", help="perfetto: whose joules operations tell (default: equal)")
    parser.add_argument(
        "--by", choices=("epoch", "step", "run"), help="profile: (default: by epoch, where it has several)"
    )


def run(args: argparse.Namespace) -> int:
    from smaragdine.files.writing import Folder, is_stream, replaced, written
    from smaragdine.trace.trace import Trace

    trace = Trace.open(args.trace)
    fixed = trace.path / _NAMES[args.output_format]
    output = args.output or fixed
    try:
        if args.output_format == "profile":
            with written(output) if args.output else replaced(fixed) as file:
                _write_profile(trace, file, args.by)
        elif args.output_format == "perfetto":
            with written(output) if args.output else replaced(fixed) as file:
                _write_perfetto(trace, file, args.policy)
        else:
            with Folder.at(args.output or trace.path) as folder, ExitStack() as inner:
                _write_csv(trace, folder if args.output else inner.enter_context(folder.inside(fixed.name)))
    except OSError as error:
        raise UsageError(f"cannot write {output}: {error.strerror or error}", "name another place with -o") from None
    if not is_stream(output):
        tell(output)
    return 0


def _write_perfetto(trace: Trace, file: IO[bytes], policy: str) -> None:
    """One event a line, so that a long trace never has to fit into memory."""
    from smaragdine.trace.perfetto import trace_events

    about = {"name": trace.name, "basis": MODELLED if trace.modelled else MEASURED, "notice": trace.notice or ""}
    file.write(f'{{"displayTimeUnit": "ms", "otherData": {json.dumps(about)}, "traceEvents": ['.encode())
    separator = "\n"
    for event in trace_events(trace, policy):
        file.write((separator + json.dumps(event, separators=(",", ":"))).encode())
        separator = ",\n"
    file.write(b"\n]}\n")


def _write_profile(trace: Trace, file: IO[bytes], by: str | None) -> None:
    from smaragdine.shown import json_text
    from smaragdine.what_if.profile import Profile

    file.write((json_text(Profile.of(trace, by).to_json()) + "\n").encode())


def _write_csv(trace: Trace, folder: Folder) -> None:
    """DuckDB, which may read a received trace's tables alone, says what each cell is; writing is ours."""
    from smaragdine.trace.columns import TABLES, kinds, quoted

    for table in TABLES:
        columns = kinds(table)
        cells = [
            f"to_json({quoted(name)})::varchar" if kind.startswith("MAP") or kind.endswith("[]")
            else f"{quoted(name)}::varchar"
            for name, kind in columns.items()
        ]  # fmt: skip
        # A number that is below 0 begins as a formula does, and is none.
        as_told = [cell if "VARCHAR" in kind else _as_it_is for kind in columns.values()]
        with folder.new(f"{table}.csv") as file:
            text = io.TextIOWrapper(file, "utf-8", newline="")
            writer = csv.writer(text, lineterminator="\n")
            writer.writerow(columns)
            for rows in trace.batches(f"select {', '.join(cells)} from {table}"):
                writer.writerows([told(value) for told, value in zip(as_told, row, strict=True)] for row in rows)
            # Also flushes: the file is the folder's to close.
            text.detach()


def _as_it_is(value: object) -> object:
    return value
