"""`smaragdine merge`: the traces of a job's ranks and hosts as one, every register once."""

from __future__ import annotations

import argparse
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from smaragdine.errors import UsageError

if TYPE_CHECKING:
    from smaragdine.trace.job import Job


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "merge",
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
    from smaragdine.files.ranks import is_job
    from smaragdine.text.ranks import of_hosts, of_ranks
    from smaragdine.trace.copied import copy
    from smaragdine.trace.job import Job
    from smaragdine.trace.jobs.joined import write
    from smaragdine.trace.jobs.part import named

    found = named(args.traces)
    output = args.output
    if output is None:
        if len(args.traces) > 1 or not is_job(args.traces[0]):
            raise UsageError("several traces are merged into a folder of their own", "name it with -o")
        output = args.traces[0]
    elif output.is_dir() and any(output.iterdir()):
        raise UsageError(f"{output} holds something already", "name a directory that does not exist yet with -o")
    else:
        for part in found.parts:
            # By the names from which engines read host and rank.
            with closing(part.tables()) as tables:
                copy(part.path, tables, output / part.folder)
    for sentence in write(found, output):
        tell(sentence, "yellow")
    job = Job.open(output)
    hosts = job.hosts()
    if len(hosts) > 1:
        write_table(of_hosts(hosts))
        tell("")
    write_table(of_ranks(job.ranks()))
    _beside_slurm({part.metadata.labels.get("job", "") for part in found.parts}, job)
    tell(output)
    return 0


def _beside_slurm(names: set[str], job: Job) -> None:
    from smaragdine.accounts.quantity import joules
    from smaragdine.cli.sacct import consumed_j
    from smaragdine.cli.terminal import tell

    if len(names) != 1 or (consumed := consumed_j(*names)) is None:
        return
    measured = job.ledger().total.measured_j
    told = f"SLURM (sacct) says {joules(consumed)} of whole nodes, as long as it held them"
    tell(f"{told}; the registers here counted {joules(measured)} while something recorded")
