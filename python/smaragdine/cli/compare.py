"""`smaragdine compare`: two traces side by side."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from smaragdine.accounts.group import KEYS
from smaragdine.accounts.words import PER
from smaragdine.cli.number import positive

if TYPE_CHECKING:
    from smaragdine.accounts.comparison import Comparison
    from smaragdine.accounts.footprint import Footprint

_TOP = 20


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "compare",
        description="Prints what each layer, operation or pass took in A and in B, the largest change first. Energy is "
        "per traced step, so that runs of different length compare; `--per run` takes the traced steps as they are.",
    )
    parser.add_argument("a", type=Path, metavar="A", help="the directory that a recording wrote")
    parser.add_argument("b", type=Path, metavar="B", help="another")
    parser.add_argument("--by", choices=KEYS, default="layer")
    parser.add_argument("--per", choices=PER, default="step")
    parser.add_argument("--policy", default="equal", help="how energy was split among operations (default: equal)")
    parser.add_argument("--top", type=positive, metavar="N", help=f"only the N largest (a table's default: {_TOP})")
    parser.add_argument("--format", choices=("table", "csv", "json"), default="table", dest="output_format")


def run(args: argparse.Namespace) -> int:
    from smaragdine.accounts.comparison import Comparison, Difference
    from smaragdine.accounts.similarity import correlation
    from smaragdine.cli.table import write_csv, write_json
    from smaragdine.cli.terminal import tell
    from smaragdine.trace.runs import Runs

    runs = Runs.open(args.a, args.b)
    runs.require_readings()
    a, b = runs.footprint(args.policy, per=args.per).footprints
    comparison = Comparison.of(a, b, args.by)
    top = args.top or (_TOP if args.output_format == "table" else len(comparison))
    rows = [
        asdict(one) | {"energy_change_j": one.energy_change_j, "energy_ratio": one.energy_ratio}
        for one in comparison.differences[:top]
    ]
    cuts = [f"{trace.name}: {trace.metadata.cut}" for trace in runs if trace.metadata.cut]
    notices = list(dict.fromkeys(trace.notice for trace in runs if trace.notice))
    similarity = correlation(a, b)
    if args.output_format == "json":
        asked = {"by": args.by, "per": args.per, "policy": args.policy}
        write_json({"notice": next(iter(notices), None), "cut": cuts, **asked, "similarity": similarity, "rows": rows})
    elif args.output_format == "csv":
        write_csv(rows, [*Difference.__dataclass_fields__, "energy_change_j", "energy_ratio"], [*cuts, *notices])
    else:
        for notice in [*cuts, *notices]:
            tell(notice, "yellow")
        _print(args, a, b, comparison, similarity, top)
    return 0


def _print(
    args: argparse.Namespace, a: Footprint, b: Footprint, comparison: Comparison, similarity: float | None, top: int
) -> None:
    from smaragdine.cli.table import write_table
    from smaragdine.cli.terminal import tell
    from smaragdine.text.table import Table

    tell(f"A: {args.a}: {a.total} in operations per {args.per}")
    tell(f"B: {args.b}: {b.total} in operations per {args.per}")
    told = "–" if similarity is None else f"{similarity:.4f}"
    tell(f"similarity of the summarised footprints (Pearson’s r): {told}")
    write_table(Table.of_comparison(comparison, top))
    if len(comparison) > top:
        tell(f"… and {len(comparison) - top} more; --top N shows them", "dim")
