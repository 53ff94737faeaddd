"""The command `smaragdine`."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from importlib import import_module

from smaragdine import __version__
from smaragdine.cli.ending import BROKEN_PIPE, INTERRUPTED, exit_code
from smaragdine.cli.terminal import tell_error
from smaragdine.errors import SmaragdineError

# In the order of `--help`. Each module has `register(subparsers)` and `run(arguments) -> exit code`, and imports what
# is heavy within `run`.
_COMMANDS = (
    "demo",
    "run",
    "report",
    "view",
    "footprint",
    "ledger",
    "figure",
    "compare",
    "leaderboard",
    "study",
    "appendix",
    "statement",
    "regions",
    "estimate",
    "import",
    "merge",
    "export",
    "account",
    "recover",
    "doctor",
    "daemon",
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns its exit code. Errors go to standard error, with a hint where there is one."""
    logging.basicConfig(format="smaragdine: %(message)s", level=logging.WARNING)
    commands = {name: import_module(f"smaragdine.cli.{name}") for name in _COMMANDS}
    parser = argparse.ArgumentParser(
        prog="smaragdine",
        description="Energy accounting of tensor programs: which layer, which operation spends the energy.",
        epilog="`smaragdine COMMAND --help` tells more. Start with `smaragdine demo`.",
    )
    parser.add_argument("--version", action="version", version=f"smaragdine {__version__}")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for command in commands.values():
        command.register(subparsers)
    chosen = parser.parse_args(arguments)
    try:
        return int(commands[chosen.command].run(chosen))
    except SmaragdineError as error:
        tell_error(error)
        return exit_code(error)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # The reader has left (`| head`); what is still buffered would complain at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
