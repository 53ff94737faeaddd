"""The command `smaragdine`."""

from __future__ import annotations

import argparse
import gc
import logging
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any, NoReturn

from smaragdine import __version__
from smaragdine.cli.ending import BROKEN_PIPE, INTERRUPTED, exit_code
from smaragdine.cli.terminal import tell_error
from smaragdine.errors import SmaragdineError

# In the order of `--help`, each with what it says there. The module of each has `register(subparsers)` and
# `run(arguments) -> exit code`; only that of the command that is called is imported.
_COMMANDS = {
    "demo": "train a small model here and show where its energy went",
    "run": "account any command",
    "report": "one self-contained HTML file",
    "view": "the interactive page",
    "footprint": "the energy of each operation, layer or pass",
    "ledger": "where every joule went",
    "figure": "one figure as a file",
    "compare": "two traces side by side",
    "leaderboard": "a metric against energy, carbon and time",
    "study": "what a hyperparameter search cost as a whole",
    "appendix": "a static site over many runs",
    "statement": "what a run, a study or a paper cost",
    "regions": "cleaner places for a job",
    "estimate": "a guess before the run",
    "import": "other tools' logs become traces",
    "merge": "the traces of a job's ranks and hosts as one",
    "export": "a trace for other tools: a timeline for Perfetto, tables as CSV, or its energy profile",
    "account": "account a trace anew, by another policy",
    "recover": "rebuild a trace that a crash cut",
    "doctor": "what can be measured here, and how well",
    "daemon": "start smaragdined",
}


def program() -> NoReturn:
    """The command as a process, which ends with its code."""
    try:
        sys.exit(main())
    finally:
        # What is left ends with the process: nobody need look for what else could be given back.
        gc.freeze()


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns its exit code. Errors go to standard error, with a hint where there is one."""
    logging.basicConfig(format="smaragdine: %(message)s", level=logging.WARNING)
    words = list(sys.argv[1:] if arguments is None else arguments)
    chosen = _parser(words).parse_args(words)
    try:
        return int(_module(chosen.command).run(chosen))
    except SmaragdineError as error:
        tell_error(error)
        return exit_code(error)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # The reader has left (`| head`); what is still buffered would complain at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE


def _parser(words: Sequence[str]) -> argparse.ArgumentParser:
    """What the command that the words name takes; where they name none, all commands by name, for help and errors."""
    parser = argparse.ArgumentParser(
        prog="smaragdine",
        description="Energy accounting of tensor programs: which layer, which operation spends the energy.",
        epilog="`smaragdine COMMAND --help` tells more. Start with `smaragdine demo`.",
    )
    parser.add_argument("--version", action="version", version=f"smaragdine {__version__}")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    named = next((word for word in words if word != "--"), None)
    if named in _COMMANDS:
        _module(named).register(subparsers)
    else:
        for name, line in _COMMANDS.items():
            subparsers.add_parser(name, help=line)
    return parser


def _module(command: str) -> Any:
    return import_module(f"smaragdine.cli.{command}")
