"""`smaragdine footprint`: energy by operation, layer, type or phase, as text, CSV or JSON."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from smaragdine.footprint import Group

_KEYS = ("op", "layer", "type", "phase", "stef")
_TOP = 20


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "footprint",
        help="the energy of each operation, layer or pass",
        description="Prints the tensor energy footprint. Several traces of the same thing give mean and standard "
        "deviation. The first line tells how much of the run the numbers cover.",
    )
    parser.add_argument("traces", type=Path, nargs="+", metavar="TRACE", help="the directory that a recording wrote")
    parser.add_argument("--by", choices=_KEYS, default="op", help="group by this (default: op; stef: layers folded)")
    parser.add_argument("--policy", default="equal", help="how energy was split among operations (default: equal)")
    parser.add_argument(
        "--scope", choices=("traced", "run"), default="traced", help="the traced steps, or extrapolated to all steps"
    )
    parser.add_argument(
        "--per", choices=("run", "step", "sample", "token"), default="run", help="divide by this (default: run)"
    )
    parser.add_argument("--top", type=_positive, metavar="N", help=f"only the N largest (a table's default: {_TOP})")
    parser.add_argument("--format", choices=("table", "csv", "json"), default="table", dest="output_format")


def run(args: argparse.Namespace) -> int:
    from smaragdine.cli.table import write_csv, write_json
    from smaragdine.footprint import Group
    from smaragdine.runs import Runs

    runs = Runs.open(*args.traces)
    for trace in runs:
        trace.require_readings()
    footprint = runs.footprint(args.policy, scope=args.scope, per=args.per)
    groups = footprint.by(args.by) if len(runs) > 1 else footprint.footprints[0].by(args.by)
    top = args.top or (_TOP if args.output_format == "table" else None)
    coverage = [f.coverage.sentence() for f in footprint.footprints]
    notice = next((trace.notice for trace in runs if trace.notice), None)
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
        print("\n".join(comments))
        _table(groups[:top], args.by, several=len(runs) > 1)
        if len(groups) > len(groups[:top]):
            print(f"… and {len(groups) - len(groups[:top])} more; --top N shows them")
    return 0


def _what(scope: str, per: str) -> str:
    parts = ["extrapolated from the traced steps to all steps"] if scope == "run" else []
    parts += [f"energy, time and count per {per}"] if per != "run" else []
    return "; ".join(parts)


def _table(groups: list[Group], by: str, *, several: bool) -> None:
    from smaragdine.cli.table import write_table
    from smaragdine.energy import MEASURED
    from smaragdine.quantity import joules, number, percent, seconds, watts

    headers = ["operation" if by in ("op", "stef") else by, "energy", "share", "time", "power", "count", "basis"]
    if several:
        headers[2:2] = ["±", "runs"]
    rows = []
    for group in groups:
        row = [
            group.name,
            joules(group.energy_j),
            percent(group.share),
            seconds(group.time_s),
            # Watts per operation mean nothing where power was modelled.
            watts(group.power_w) if group.basis == MEASURED else "–",
            number(group.count),
            group.basis,
        ]
        if several:
            row[2:2] = [joules(group.energy_sd_j), str(group.runs)]
        rows.append(row)
    write_table(headers, rows, numeric=range(1, len(headers) - 1))


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return value
