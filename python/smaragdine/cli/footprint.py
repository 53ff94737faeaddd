"""`smaragdine footprint`: energy by operation, layer, type or phase, as text, CSV or JSON."""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from pathlib import Path

from smaragdine.accounts.group import KEYS
from smaragdine.accounts.words import PER, SCOPES
from smaragdine.cli.labels import parse_label
from smaragdine.cli.number import positive

_TOP = 20
_BOXES = 6


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "footprint",
        description="Prints the tensor energy footprint. Several traces of the same thing give mean and standard "
        "deviation. The first line tells how much of the run the numbers cover.",
    )
    parser.add_argument("traces", type=Path, nargs="+", metavar="TRACE", help="the directory that a recording wrote")
    parser.add_argument("--by", choices=KEYS, default="op", help="group by this (default: op; stef: layers folded)")
    parser.add_argument("--policy", default="equal", help="how energy was split among operations (default: equal)")
    parser.add_argument(
        "--scope", choices=SCOPES, default="traced", help="the traced steps, or extrapolated to all steps"
    )
    parser.add_argument("--per", choices=PER, default="run", help="divide by this (default: run)")
    parser.add_argument("--top", type=positive, metavar="N", help=f"only the N largest (a table's default: {_TOP})")
    parser.add_argument(
        "--fold", type=parse_label, action="append", default=[], metavar="PATH=NAME",
        help="--by stef: fold all layers of a path, as in 'net/stage_*=stage'",
    )  # fmt: skip
    parser.add_argument("--unfold", metavar="NAME", help="the operations that a name of --by stef stands for")
    parser.add_argument("--format", choices=("table", "tree", "csv", "json"), default="table", dest="output_format")
    parser.add_argument("--depth", type=positive, default=3, metavar="N", help="--format tree: levels (default: 3)")


def run(args: argparse.Namespace) -> int:
    from smaragdine.accounts.group import Group
    from smaragdine.cli.table import write_csv, write_json, write_table
    from smaragdine.cli.terminal import tell
    from smaragdine.text.table import Table
    from smaragdine.trace.runs import Runs

    runs = Runs.open(*args.traces)
    runs.require_readings()
    footprint = runs.footprint(args.policy, scope=args.scope, per=args.per)
    if args.by == "stef" or args.unfold:
        footprint = footprint.summarize(dict(args.fold))
    if args.unfold:
        footprint = footprint.unfold(args.unfold)
    by = "op" if args.by == "stef" else args.by
    groups = footprint.by(by)
    top = args.top or (_TOP if args.output_format == "table" else None)
    coverage = [f.coverage.sentence() for f in footprint.footprints]
    notice = runs.notice
    what = _what(args.scope, args.per)
    comments = [
        f"coverage: {'; '.join(dict.fromkeys(coverage))}",
        *([notice] if notice else []),
        *([what] if what else []),
    ]
    if args.output_format == "json":
        rows = [asdict(group) for group in groups[:top]]
        asked = {"policy": args.policy, "by": args.by, "scope": args.scope, "per": args.per}
        write_json({"coverage": coverage, "notice": notice, **asked, "runs": len(runs), "rows": rows})
    elif args.output_format == "csv":
        write_csv([asdict(group) for group in groups[:top]], list(Group.__dataclass_fields__), comments)
    else:
        tell(comments[0])
        for comment in comments[1:]:
            tell(comment, "yellow")
        if args.output_format == "tree":
            from smaragdine.accounts.edd import EDD
            from smaragdine.text.tree import tree

            edd = EDD.of(footprint, name=runs.name)
            write_table(tree(edd, depth=args.depth, top=args.top or _BOXES, guides=sys.stdout.isatty()))
            return 0
        write_table(Table.of_groups(groups[:top], "operation" if by == "op" else by, len(runs)))
        if len(groups) > len(groups[:top]):
            tell(f"… and {len(groups) - len(groups[:top])} more; --top N shows them", "dim")
    return 0


def _what(scope: str, per: str) -> str:
    parts = ["extrapolated from the traced steps to all steps"] if scope == "run" else []
    parts += [f"energy, time and count per {per}"] if per != "run" else []
    return "; ".join(parts)
