"""What commands over many runs share: each run with what it cost, at its own place."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path
from typing import TYPE_CHECKING

from smaragdine.cli.labels import parse_label
from smaragdine.cli.statement import add_place

if TYPE_CHECKING:
    from smaragdine.accounts.alike import Alike
    from smaragdine.carbon.cost import Cost
    from smaragdine.carbon.logged import Metric
    from smaragdine.trace.trace import Trace

_LOG = logging.getLogger("smaragdine")


def add_runs(parser: argparse.ArgumentParser, grouped: str) -> None:
    """Which runs, how they are grouped, where they drew their energy."""
    parser.add_argument("traces", type=Path, nargs="+", metavar="TRACE", help="the directories that recordings wrote")
    parser.add_argument("--group", action="append", default=[], metavar="LABEL", help=f"{grouped}; may be repeated")
    parser.add_argument(
        "--group-pattern", metavar="REGEX", help="group by named groups of an expression over path and name, as in "
        "'lr(?P<lr>[0-9.]+)'",
    )  # fmt: skip
    parser.add_argument(
        "--failed", type=parse_label, action="append", default=[], metavar="LABEL=VALUE",
        help="runs with this label failed (known anyway: recordings that were cut, and labels status, state, outcome, "
        "failed, exit_code that say so)",
    )  # fmt: skip
    add_place(parser)


def add_direction(parser: argparse.ArgumentParser) -> None:
    way = parser.add_mutually_exclusive_group()
    way.add_argument("--lower-is-better", action="store_true", help="of the metric (default: by its name, and said)")
    way.add_argument("--higher-is-better", action="store_true")


def alike(args: argparse.Namespace) -> Alike | None:
    """None where no groups are told."""
    from smaragdine.accounts.alike import Alike

    if not args.group and args.group_pattern is None:
        return None
    return Alike.by(args.group, args.group_pattern)


def metric(args: argparse.Namespace, name: str) -> Metric:
    from smaragdine.carbon.logged import Metric

    return Metric.of(name, True if args.lower_is_better else False if args.higher_is_better else None)


def costs(args: argparse.Namespace) -> list[Cost]:
    """Each run's; see `opened`. Warns of runs that count twice."""
    found = [cost for _, cost in opened(args)]
    warn_of_doubles(found)
    return found


def warn_of_doubles(found: list[Cost]) -> None:
    """On standard error, where a table has no room for it."""
    from smaragdine.carbon.cost import doubles, titles

    for sentence in doubles(found, titles(found)):
        _LOG.warning("%s", sentence)


def opened(args: argparse.Namespace) -> list[tuple[Trace, Cost]]:
    """Each run with its cost at the place that --region, its own label `region` or SMARAGDINE_REGION tells; without
    one energy stays energy. Raises SmaragdineError where a path is no trace, or is given twice."""
    from smaragdine.trace.trace import Trace

    _require_once(args.traces)
    traces = [Trace.open(path) for path in args.traces]
    return [(trace, _cost(args, trace)) for trace in traces]


def _cost(args: argparse.Namespace, trace: Trace) -> Cost:
    from smaragdine.carbon.cost import Cost
    from smaragdine.carbon.imported import Imported
    from smaragdine.carbon.place import region_told
    from smaragdine.carbon.pue import Pue
    from smaragdine.cli.statement import place_of

    failed = dict(args.failed)
    told_otherwise = any(value is not None for value in (args.region, args.g_per_kwh, args.pue))
    if not told_otherwise and Imported.of([trace]):
        return Cost.of(trace, failed=failed)
    labels = trace.metadata.labels
    pue = Pue.of(args.pue if args.pue is not None else labels.get("pue") or None)
    told = region_told(args.region, [labels])
    place = place_of(args, told[0] if told else None, pue, [trace])
    return Cost.of(trace, place, pue=pue, told_by=told[1] if told else "", failed=failed)


def _require_once(paths: list[Path]) -> None:
    """A run that is counted twice would make means look surer than they are."""
    from smaragdine.errors import UsageError

    seen: set[Path] = set()
    for path in paths:
        directory = (path.parent if path.name == "trace.json" else path).resolve()
        if directory in seen:
            raise UsageError(f"the trace {path} is named twice", "name each run once: it would count twice")
        seen.add(directory)
