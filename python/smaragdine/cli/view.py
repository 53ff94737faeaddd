"""`smaragdine view`: the interactive page of a trace, of several, or of a recording as it runs."""

from __future__ import annotations

import argparse
import logging
from importlib.util import find_spec
from pathlib import Path

from smaragdine.cli.number import port
from smaragdine.errors import SmaragdineError

PORT = 8050


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "view",
        description="Serves a page about a trace, or several of the same thing, and what it would be otherwise, until "
        "it is interrupted: to this machine alone, and to whoever has the address that it prints, with its token. A "
        "trace that is still being recorded shows its power as it runs, and becomes the page of the finished trace. "
        "Energy profiles, and folders of them, can be named as well; without any name the page shows those that come "
        "with this package. Needs "
        "`pip install 'smaragdine[view]'`.",
    )
    parser.add_argument(
        "traces",
        type=Path,
        nargs="*",
        metavar="TRACE|PROFILE",
        help="the directory that a recording wrote, an energy profile, or a folder of them",
    )
    parser.add_argument("--port", type=port, default=PORT, metavar="N", help=f"default: {PORT}; 0: any that is free")
    parser.add_argument("--policy", default="equal", help="how energy was split among operations (default: equal)")


def run(args: argparse.Namespace) -> int:
    if find_spec("dash") is None:
        raise SmaragdineError(
            "the interactive page needs dash, which is not installed",
            "pip install 'smaragdine[view]'; `smaragdine report` needs nothing more",
        )
    from smaragdine.view import serve

    # Its log has a line for each request.
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    serve(args.traces, args.port, policy=args.policy, told=lambda at: print(f"{at} (Ctrl-C ends it)", flush=True))
    return 0
