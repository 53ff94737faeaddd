"""`smaragdine daemon`: starts `smaragdined`."""

from __future__ import annotations

import argparse
import os
import sys

from smaragdine.errors import SmaragdineError


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "daemon",
        description="Becomes smaragdined, with the arguments given: `smaragdine daemon serve --socket PATH`.",
        add_help=False,
    )
    parser.add_argument("words", nargs=argparse.REMAINDER, metavar="…")


def run(arguments: argparse.Namespace) -> int:
    from smaragdine.daemon.binary import find_binary

    binary = find_binary()
    words = arguments.words[1:] if arguments.words[:1] == ["--"] else arguments.words
    sys.stdout.flush()
    try:
        os.execv(binary, [os.fspath(binary), *words])  # noqa: S606  arguments are a list
    except OSError as error:
        raise SmaragdineError(f"cannot start {binary}: {error.strerror}") from error
