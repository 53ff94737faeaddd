"""`smaragdine regions`: cleaner places for a job, beside the methods by which electricity is made."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from smaragdine.cli.number import amount, positive
from smaragdine.errors import UsageError

if TYPE_CHECKING:
    from smaragdine.carbon.ranking import Ranked

_TOP = 20
_COLUMNS = (
    "place", "name", "kind", "g_per_kwh", "low_g_per_kwh", "high_g_per_kwh", "emissions_g", "year", "method", "scope",
    "mostly", "nearest_method", "source", "licence",
)  # fmt: skip


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "regions",
        description="Ranks places by the carbon intensity of their electricity, cleanest first, beside generation "
        "methods; with traces or --energy-kwh, also what the job would emit there. Lifecycle and direct figures are "
        "ranked apart. Nothing is asked from the network.",
    )
    parser.add_argument("traces", type=Path, nargs="*", metavar="TRACE", help="the job, as its recordings have it")
    parser.add_argument("--energy-kwh", type=amount, metavar="X", help="the job, by its energy without PUE")
    parser.add_argument("--region", metavar="R", help="where it runs, to compare with (default: the traces' label)")
    parser.add_argument("--only", action="append", default=[], metavar="R", help="this place; may be repeated")
    parser.add_argument("--kind", choices=("country", "state", "zone", "province", "cloud"), action="append")
    parser.add_argument("--scope", choices=("lifecycle", "direct"), default="lifecycle", help="(default: lifecycle)")
    parser.add_argument("--year", type=positive, metavar="Y", help="figures nearest to this year (default: the newest)")
    parser.add_argument("--table", type=Path, metavar="FILE", help="a table of your own, before ours")
    parser.add_argument("--top", type=positive, metavar="N", help=f"so many places (a table's default: {_TOP})")
    parser.add_argument("--all", action="store_true", help="all places")
    parser.add_argument("--format", choices=("table", "csv", "json"), default="table", dest="output_format")


def run(args: argparse.Namespace) -> int:
    from smaragdine.carbon.intensity import MEANINGS, SCOPES
    from smaragdine.carbon.lookup import Lookup, default
    from smaragdine.carbon.place import region_told
    from smaragdine.carbon.ranking import KINDS, elsewhere, rank
    from smaragdine.carbon.table import own
    from smaragdine.cli.table import write_csv, write_json

    kwh, labels = _job(args)
    lookup = Lookup(own(args.table)) if args.table else default()
    told = region_told(args.region, labels)
    home = lookup.find(told[0]) if told else None
    every = rank(lookup, args.scope, year=args.year)
    kinds = args.kind or KINDS
    wanted = {lookup.find(name).place for name in args.only} or {one.place for one in every if one.kind in kinds}
    here = home.place if home else None
    ranked = [one for one in every if one.place in wanted or one.place == here or one.kind == "generation"]
    whole = args.all or (args.output_format != "table" and not args.top)
    shown = ranked if whole else _best(ranked, args.top or _TOP, here)
    other = next(scope for scope in SCOPES if scope != args.scope)
    notes = [f"{args.scope} figures: {MEANINGS[args.scope]}"]
    if count := elsewhere(lookup, args.scope):
        notes.append(f"{count} places have {other} figures alone: --scope {other} ranks them")
    if home and all(one.place != here for one in ranked):
        notes.append(f"{home.name} ({home.place}) has no {args.scope} figure: --scope tells which are ranked")
    rows = [_row(one, kwh) for one in shown]
    if args.output_format == "json":
        write_json({"scope": args.scope, "notes": notes, "energy_kwh": kwh, "region": here, "rows": rows})
    elif args.output_format == "csv":
        write_csv(rows, list(_COLUMNS), notes)
    else:
        _table(shown, kwh, here, notes, len(ranked))
    return 0


def _job(args: argparse.Namespace) -> tuple[float | None, list[dict[str, str]]]:
    from smaragdine.carbon.credit import Credit
    from smaragdine.trace.trace import Trace

    if args.traces and args.energy_kwh is not None:
        raise UsageError("the job is given twice", "name traces, or --energy-kwh")
    traces = [Trace.open(path) for path in args.traces]
    kwh = Credit.total(Credit.of(trace) for trace in traces).kwh if traces else args.energy_kwh
    return kwh, [dict(trace.metadata.labels) for trace in traces]


def _best(ranked: list[Ranked], top: int, home: str | None) -> list[Ranked]:
    """The cleanest places, all generation methods, and where the job runs."""
    places = [one for one in ranked if one.kind != "generation"][:top]
    return [one for one in ranked if one.kind == "generation" or one in places or one.place == home]


def _row(one: Ranked, kwh: float | None) -> dict[str, object]:
    row = one.intensity
    return {
        "place": one.place,
        "name": one.name,
        "kind": one.kind,
        "g_per_kwh": one.g_per_kwh,
        "low_g_per_kwh": one.low_g_per_kwh,
        "high_g_per_kwh": one.high_g_per_kwh,
        "emissions_g": None if kwh is None else kwh * one.g_per_kwh,
        "year": row.year,
        "method": row.method,
        "scope": row.scope,
        "mostly": one.mostly,
        "nearest_method": one.nearest,
        "source": row.source,
        "licence": row.licence,
    }


def _table(shown: list[Ranked], kwh: float | None, home: str | None, notes: list[str], held: int) -> None:
    from smaragdine.carbon.digits import grams, rounded
    from smaragdine.cli.table import write_table
    from smaragdine.cli.terminal import tell
    from smaragdine.text.table import Table

    for note in notes:
        tell(note, "dim")
    lines = []
    for one in shown:
        digits = min(4, one.intensity.digits)
        sure = f"{rounded(one.low_g_per_kwh, digits)} … {rounded(one.high_g_per_kwh, digits)}"
        told = one.place if one.kind != "generation" else "·"
        line = [
            told,
            f"{one.name}{' (here)' if one.place == home else ''}" if one.kind != "generation" else f"[{one.name}]",
            rounded(one.g_per_kwh, digits),
            sure if one.low_g_per_kwh < one.high_g_per_kwh else "–",
            str(one.intensity.year),
            one.mostly,
        ]
        if kwh is not None:
            line.insert(3, grams(kwh * one.g_per_kwh, digits) if one.kind != "generation" else "–")
        lines.append(tuple(line))
    headers = ["place", "name", "g CO2e/kWh", "published", "year", "electricity mostly from"]
    if kwh is not None:
        headers.insert(3, "this job, without PUE")
    numeric = frozenset({2, 3, 4} if kwh is None else {2, 3, 4, 5})
    write_table(Table(tuple(headers), tuple(lines), numeric))
    if held > len(shown):
        tell(f"… and {held - len(shown)} more; --all shows them, --format csv with their sources", "dim")
