"""`smaragdine leaderboard`: any logged metric against energy, carbon and time."""

from __future__ import annotations

import argparse
from pathlib import Path

from smaragdine.cli.costed import add_direction, add_runs, alike, costs, metric
from smaragdine.cli.number import positive

_KEYS = ("metric", "energy", "carbon", "time", "per-kwh")


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "leaderboard",
        description="Ranks runs by a metric that they logged, beside the energy, carbon and time that they took, and "
        "marks those that no other beats in both metric and energy. Failed runs and runs whose energy is not known are "
        "listed without a rank.",
    )
    add_runs(parser, "rank groups of runs with the same value of this label, by their means")
    parser.add_argument("--metric", required=True, metavar="NAME", help="as it was logged with the steps")
    parser.add_argument("--at", choices=("best", "last"), default="best", help="which value of each run")
    parser.add_argument("--by", choices=_KEYS, default="metric", help="what ranks them (default: the metric)")
    add_direction(parser)
    parser.add_argument("--top", type=positive, metavar="N", help="only the first N")
    parser.add_argument("--format", choices=("table", "csv", "json", "html"), default="table", dest="output_format")
    parser.add_argument("-o", "--output", type=Path, default=Path("-"), metavar="FILE", help="html: where to")


def run(args: argparse.Namespace) -> int:
    from smaragdine.carbon.leaderboard import Leaderboard
    from smaragdine.cli.table import write_csv, write_json, write_table
    from smaragdine.cli.terminal import tell
    from smaragdine.text import board as boards

    board = Leaderboard.of(costs(args), metric(args, args.metric), at=args.at, by=args.by, alike=alike(args))
    rows = [one.to_dict() for one in board.standings[: args.top]]
    if args.output_format == "json":
        asked = {"metric": board.metric.name, "lower_is_better": board.metric.lower, "at": board.at, "by": board.by}
        told = {"notes": list(board.notes), "pue": list(board.pues), "sources": list(board.sources)}
        write_json({"notices": list(board.notices), **asked, **told, "rows": rows})
    elif args.output_format == "csv":
        write_csv(rows, list(rows[0]), [*board.notices, *board.notes])
    elif args.output_format == "html":
        _write_page(board, args.output)
    else:
        for notice in board.notices:
            tell(notice, "yellow")
        write_table(boards.of_leaderboard(board, args.top))
        for note in board.notes:
            tell(note, "dim")
    return 0


def _write_page(board: object, output: Path) -> None:
    from smaragdine.carbon.leaderboard import Leaderboard
    from smaragdine.cli.terminal import tell
    from smaragdine.errors import UsageError
    from smaragdine.files.writing import is_stream, written
    from smaragdine.report.board import page

    assert isinstance(board, Leaderboard)
    try:
        with written(output) as file:
            file.write(page(board).encode("utf-8"))
    except OSError as error:
        raise UsageError(f"cannot write {output}: {error.strerror or error}") from None
    if not is_stream(output):
        tell(output)
