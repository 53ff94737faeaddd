"""`smaragdine account`: accounts a trace's readings and events anew."""

from __future__ import annotations

import argparse
import subprocess
from pathlib import Path

from smaragdine.accounts.words import POLICIES
from smaragdine.cli.terminal import tell
from smaragdine.errors import SmaragdineError, UsageError


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "account",
        description="Splits the trace's energy among its operations anew and replaces that policy's rows; what other "
        "policies gave stays. Files that were changed since they were sealed are named, taken as they are, and sealed "
        "anew.",
    )
    parser.add_argument("trace", type=Path, metavar="TRACE", help="the directory that a recording wrote")
    parser.add_argument("--policy", choices=POLICIES, default="equal")
    parser.add_argument(
        "--xspace", type=Path, nargs="+", default=[], metavar="FILE", help="add events of these profiles"
    )


def run(args: argparse.Namespace) -> int:
    from smaragdine.daemon.binary import find_binary
    from smaragdine.files.ranks import is_job
    from smaragdine.trace.trace import Trace

    if is_job(args.trace):
        raise UsageError(
            f"{args.trace} is a job: its ranks' events are in their own traces",
            f"account each of {args.trace}/host=*/rank=*, and merge them anew",
        )
    trace = Trace.open(args.trace, as_it_is=True)
    command: list[str | Path] = [find_binary(), "account", trace.path, "--policy", args.policy]
    for file in args.xspace:
        command += ["--xspace", file]
    try:
        code = subprocess.run(command, check=False).returncode
    except OSError as error:
        raise SmaragdineError(f"cannot run {command[0]}: {error.strerror}") from None
    if code == 0:
        tell(f"accounted {trace.path} by policy {args.policy}")
    return code if code >= 0 else 128 - code
