"""`smaragdine appendix`: a static site over many runs."""

from __future__ import annotations

import argparse
from pathlib import Path

from smaragdine.cli.costed import add_direction, add_runs, alike, metric, opened
from smaragdine.cli.terminal import tell


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "appendix",
        description="Writes a site for a paper's appendix: means with standard errors by group, what differs and with "
        "what chance, plots of all that the runs logged, a page for each run, all numbers as files. It opens from disk "
        "and from any web server, GitHub Pages among them; the same runs give the same bytes. Needs "
        "`pip install 'smaragdine[appendix]'`.",
    )
    add_runs(parser, "group runs by this label (default: by name)")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="DIR", help="where the site is written: "
                        "a new directory, or that of an earlier build")  # fmt: skip
    parser.add_argument("--title", default="Compute appendix")
    parser.add_argument("--anonymous", action="store_true", help="without host, user, folders and names of runs")
    parser.add_argument("--reach", metavar="METRIC=VALUE", help="tell what it took to get there, as in accuracy=0.9")
    add_direction(parser)


def run(args: argparse.Namespace) -> int:
    from smaragdine import appendix
    from smaragdine.carbon.reach import parse

    reach = None
    if args.reach:
        name, threshold = parse(args.reach)
        reach = metric(args, name), threshold
    files = appendix.site(opened(args), alike(args), title=args.title, anonymous=args.anonymous, reach=reach)
    appendix.write(files, args.output)
    tell(args.output / "index.html")
    return 0
