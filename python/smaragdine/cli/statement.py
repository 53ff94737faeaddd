"""`smaragdine statement`: what a run, a study or a paper cost, in energy, carbon and money."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from smaragdine.cli.number import amount
from smaragdine.errors import UsageError

if TYPE_CHECKING:
    from smaragdine.carbon.lookup import Found
    from smaragdine.carbon.place import Place
    from smaragdine.carbon.pue import Pue
    from smaragdine.carbon.series import Series
    from smaragdine.carbon.statement import Statement
    from smaragdine.trace.trace import Trace

_LOG = logging.getLogger("smaragdine")

PROVIDERS = ("electricity-maps", "uk", "caiso")
FORMATS = ("text", "markdown", "latex", "json", "model-card", "spdx", "annex-xi")


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "statement",
        description="States energy, carbon and social cost, each with its source: of traces, or of energy or emissions "
        "that are told. The region comes from --region, the traces' label `region`, or SMARAGDINE_REGION; there is no "
        "default, and nothing is asked from the network without --live.",
    )
    parser.add_argument("traces", type=Path, nargs="*", metavar="TRACE", help="the directories that recordings wrote")
    parser.add_argument("--energy-kwh", metavar="X", help="state this energy, without PUE, instead of traces'")
    parser.add_argument("--emissions-kg", metavar="X", help="state these emissions instead of traces'")
    add_place(parser)
    parser.add_argument("--country", metavar="C", help="social cost of carbon there (default: the region's country)")
    parser.add_argument("--format", choices=FORMATS, default="text", dest="output_format")
    parser.add_argument("--allow-modelled", action="store_true", help="state traces of which nothing was measured")
    parser.add_argument("--anonymous", action="store_true", help="without the names of runs")
    parser.add_argument("--series", type=Path, metavar="FILE", help="intensities over time: CSV with start, g_per_kwh")
    parser.add_argument(
        "--live", choices=PROVIDERS, help="ask this provider for the time of the runs, over the network"
    )
    parser.add_argument(
        "--market-based", type=amount, metavar="G", help="g/kWh of a contract, stated beside the grid's"
    )
    parser.add_argument("--embodied-kg", type=amount, metavar="X", help="emissions of making the hardware, for SCI")
    parser.add_argument("--training", choices=("pre-training", "fine-tuning"), help="for model cards and SPDX")


def add_place(parser: argparse.ArgumentParser) -> None:
    """Where energy is drawn: what `statement` and `estimate` share."""
    parser.add_argument(
        "--region", metavar="R", help="code, name or cloud region, as in US-CA, Québec, gcp:us-central1"
    )
    parser.add_argument("--pue", metavar="X", help="power usage effectiveness, or the name of a published one")
    parser.add_argument(
        "--scope", choices=("lifecycle", "direct"), help="what an intensity counts (default: lifecycle)"
    )
    parser.add_argument("--table", type=Path, metavar="FILE", help="a table of your own, before ours: CSV with place, "
                        "g_per_kwh, year, scope, source")  # fmt: skip
    parser.add_argument("--g-per-kwh", metavar="G", help="a carbon intensity of your own, instead of any table's")


def run(args: argparse.Namespace) -> int:
    import sys

    from smaragdine.carbon.forms import write

    statement = build(args)
    sys.stdout.write(write(statement, args.output_format, anonymous=args.anonymous))
    return 0


def build(args: argparse.Namespace) -> Statement:
    from dataclasses import replace

    from smaragdine.carbon.digits import significant
    from smaragdine.carbon.place import region_told
    from smaragdine.carbon.pue import Pue
    from smaragdine.carbon.statement import Statement
    from smaragdine.trace.trace import Trace

    given = [bool(args.traces), args.energy_kwh is not None, args.emissions_kg is not None]
    if sum(given) != 1:
        what = "there is nothing to state" if not any(given) else "there is more than one thing to state"
        raise UsageError(what, "name traces, or --energy-kwh, or --emissions-kg")
    if args.emissions_kg is not None:
        _number(args.emissions_kg, "--emissions-kg")
        return Statement.of_emissions(args.emissions_kg).with_cost(args.country)
    traces = [Trace.open(path) for path in args.traces]
    if traces and not _told_otherwise(args):
        from smaragdine.carbon.imported import Imported

        if Imported.of(traces):
            statement = Statement.of(traces, None, allow_modelled=args.allow_modelled)
            return replace(statement, training=args.training).with_cost(args.country)
    labels = [trace.metadata.labels for trace in traces]
    pue = Pue.of(args.pue if args.pue is not None else _labelled_pue(labels))
    told = region_told(args.region, labels)
    place = place_of(args, told[0] if told else None, pue, traces)
    if args.energy_kwh is not None:
        kwh = _number(args.energy_kwh, "--energy-kwh")
        statement = Statement.of_energy(kwh, place, pue=pue, digits=significant(args.energy_kwh))
    else:
        statement = Statement.of(traces, place, pue=pue, allow_modelled=args.allow_modelled)
    statement = replace(
        statement,
        told_by=told[1] if told and place else "",
        embodied_kg=args.embodied_kg,
        market_g_per_kwh=args.market_based,
        training=args.training,
    )
    return statement.with_cost(args.country)


def _told_otherwise(args: argparse.Namespace) -> bool:
    """The user tells a place, an intensity or a PUE: then an imported log's own are not taken."""
    return any(told is not None for told in (args.region, args.g_per_kwh, args.pue, args.series, args.live))


def place_of(args: argparse.Namespace, region: str | None, pue: Pue, traces: list[Trace]) -> Place | None:
    """None where nobody tells a region nor an intensity."""
    from smaragdine.carbon.lookup import Lookup
    from smaragdine.carbon.place import Place
    from smaragdine.carbon.series import Series
    from smaragdine.carbon.table import grams_per_kwh, own

    own_figure = grams_per_kwh(args.g_per_kwh, "--g-per-kwh") if args.g_per_kwh is not None else None
    if region is None and own_figure is None:
        return None
    rows = own(args.table) if args.table else ()
    series = None
    if path := getattr(args, "series", None):
        series = Series.read(path, args.scope)
    elif provider := getattr(args, "live", None):
        series = _live(provider, args.scope, Lookup(rows).find(region or ""), traces)
    return Place(
        region or "a place of the user's",
        pue,
        scope=args.scope,
        year=_year(traces),
        rows=rows,
        series=series,
        intensity_g_per_kwh=own_figure,
    )


def _live(provider: str, scope: str | None, found: Found, traces: list[Trace]) -> Series | None:
    """Intensities of the traces' time; None, with a warning, where the provider does not answer."""
    from smaragdine.carbon.live import SilentError, fetch

    if not traces:
        raise UsageError(
            "--live asks for the time of a run, and no trace is named", "--series or --g-per-kwh tell figures"
        )
    starts = [trace.metadata.start_ns for trace in traces]
    ends = [trace.metadata.end_ns or trace.metadata.start_ns for trace in traces]
    try:
        return fetch(provider, found, min(starts), max(ends), scope)
    except SilentError as silence:
        _LOG.warning("%s; the yearly figure stands in", silence)
        return None


def _year(traces: list[Trace]) -> int | None:
    """The year in which the last of them began: tables' rows of that year fit best."""
    from datetime import datetime, timezone

    starts = [trace.metadata.start_ns for trace in traces]
    return datetime.fromtimestamp(max(starts) / 1e9, timezone.utc).year if starts else None


def _labelled_pue(labels: Sequence[Mapping[str, str]]) -> str | None:
    told = {of["pue"] for of in labels if of.get("pue")}
    if len(told) > 1:
        raise UsageError(
            f"the traces were recorded with different PUEs: {', '.join(sorted(told))}", "give one with --pue"
        )
    return told.pop() if told else None


def _number(text: str, option: str) -> float:
    try:
        value = amount(text)
    except argparse.ArgumentTypeError as error:
        raise UsageError(f"{option}: {error}") from None
    return value
