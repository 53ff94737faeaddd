"""`smaragdine merge`: the traces of a job's ranks and hosts as one, every register once."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from smaragdine.errors import UsageError

if TYPE_CHECKING:
    from smaragdine.trace.jobs.part import Found


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "merge",
        help="the traces of a job's ranks and hosts as one",
        description="Adds up what the ranks of a job took, and counts each host's registers once, however many of them "
        "watched. All commands take a job's folder as it is and merge it as they open it; this keeps the result, for "
        "large jobs and for engines that read Parquet.",
    )
    parser.add_argument("traces", type=Path, nargs="+", metavar="TRACE",
                        help="a job's folder, or the traces of its ranks")  # fmt: skip
    parser.add_argument("-o", "--output", type=Path, metavar="JOB",
                        help="a folder for copies of the traces and their sum (default: the job's own)")  # fmt: skip


def run(args: argparse.Namespace) -> int:
    from smaragdine.cli.table import write_table
    from smaragdine.cli.terminal import tell
    from smaragdine.text.ranks import of_ranks
    from smaragdine.trace.job import Job
    from smaragdine.trace.jobs.opened import write
    from smaragdine.trace.jobs.part import is_job, named

    found = named(args.traces)
    output = args.output
    if output is None:
        if len(args.traces) > 1 or not is_job(args.traces[0]):
            raise UsageError("several traces are merged into a folder of their own", "name it with -o")
        output = args.traces[0]
    elif output.is_dir() and any(output.iterdir()):
        raise UsageError(f"{output} holds something already", "name a directory that does not exist yet with -o")
    else:
        _copy(found, output)
    for sentence in write(found, output):
        tell(sentence, "yellow")
    write_table(of_ranks(Job.open(output).ranks()))
    tell(output)
    return 0


def _copy(found: Found, output: Path) -> None:
    """The parts' files, below the names from which engines read host and rank."""
    from smaragdine.files.writing import Folder

    for part in found.parts:
        try:
            with Folder.at(output / part.folder) as folder:
                # What is no part of a trace stays where it is; trace.json comes last, so that none is half there.
                files = [file for file in part.path.iterdir() if file.suffix == ".parquet" and file.is_file()]
                for file in [*sorted(files), part.path / "trace.json"]:
                    with file.open("rb") as source:
                        folder.copy(source, file.name)
        except OSError as error:
            raise UsageError(f"cannot copy {part.path} to {output}: {error.strerror}", "is there room?") from None
