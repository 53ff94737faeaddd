"""`smaragdine figure`: one figure of a trace as HTML, PNG, SVG or PDF."""

from __future__ import annotations

import argparse
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from smaragdine.errors import SmaragdineError

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from smaragdine.runs import Runs

KINDS = ("sunburst", "edd", "tef", "stef", "stpf", "power", "steps")
FORMATS = ("html", "png", "svg", "pdf")


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "figure",
        help="one figure as a file",
        description="Draws one figure. HTML files hold all they need; PNG, SVG and PDF need kaleido and a Chromium.",
    )
    parser.add_argument("traces", type=Path, nargs="+", metavar="TRACE", help="the directory that a recording wrote")
    parser.add_argument("--kind", choices=KINDS, required=True)
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE")
    parser.add_argument("--format", choices=FORMATS, dest="output_format", help="default: by the name of FILE")
    parser.add_argument("--layer", metavar="PATH", help="edd: the layer whose level is drawn")
    parser.add_argument(
        "--phase", choices=("forward", "backward", "optimizer", "other"), help="sunburst, edd: one pass (default: all)"
    )
    parser.add_argument("--top", type=int, default=10, metavar="N", help="tef, stef, stpf: how many (default: 10)")
    parser.add_argument("--policy", default="equal", help="how energy was split among operations (default: equal)")


def run(args: argparse.Namespace) -> int:
    from smaragdine.runs import Runs

    output_format = args.output_format or args.output.suffix.removeprefix(".").lower()
    if output_format not in FORMATS:
        raise SmaragdineError(
            f"the name {args.output} does not tell a format", f"add --format {'|'.join(FORMATS)}", exit_code=2
        )
    runs = Runs.open(*args.traces)
    for trace in runs:
        trace.require_readings()
    figure = _draw(runs, args)
    try:
        if output_format == "html":
            figure.write_html(args.output, include_plotlyjs=True, config={"displaylogo": False})
        else:
            _write_image(figure, args.output, output_format)
    except OSError as error:
        raise SmaragdineError(f"cannot write {args.output}: {error.strerror or error}", exit_code=2) from None
    print(args.output)
    return 0


def _draw(runs: Runs, args: argparse.Namespace) -> go.Figure:
    from smaragdine import figures

    if args.kind == "sunburst":
        return figures.sunburst(runs.edd(args.phase, policy=args.policy))
    if args.kind == "edd":
        return figures.distribution(runs.edd(args.phase, policy=args.policy), args.layer)
    if args.kind in ("power", "steps"):
        if len(runs) > 1:
            raise SmaragdineError(f"{args.kind} is drawn of one trace, {len(runs)} are named", exit_code=2)
        return figures.power(runs.traces[0]) if args.kind == "power" else figures.steps(runs.traces[0])
    footprint = runs.footprint(args.policy)
    return figures.ranking(footprint if len(runs) > 1 else footprint.footprints[0], args.top, kind=args.kind)


def _write_image(figure: go.Figure, output: Path, output_format: str) -> None:
    hint = "pip install kaleido, and name a Chromium in BROWSER_PATH where none is found; or write HTML"
    if find_spec("kaleido") is None:
        raise SmaragdineError(f"{output_format} needs kaleido, which is not installed", hint)
    figure.update_layout(paper_bgcolor="white")
    try:
        figure.write_image(output, format=output_format, scale=2 if output_format == "png" else 1)
    except (RuntimeError, ValueError) as error:
        raise SmaragdineError(f"kaleido could not draw {output}: {str(error).splitlines()[0]}", hint) from None
