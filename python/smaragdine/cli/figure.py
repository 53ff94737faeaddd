"""`smaragdine figure`: one figure of a trace, or of several, as HTML, PNG, SVG or PDF."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from smaragdine.accounts.words import PHASES
from smaragdine.cli.labels import parse_label
from smaragdine.cli.number import amount, positive
from smaragdine.cli.terminal import tell
from smaragdine.errors import SmaragdineError, UsageError

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from smaragdine import figures
    from smaragdine.accounts.edd import EDD
    from smaragdine.trace.runs import Runs
    from smaragdine.trace.trace import Trace

_Draw = Callable[["Runs", argparse.Namespace], "go.Figure"]
FORMATS = ("html", "png", "svg", "pdf")
_WIDTH = 820
_DIAGRAM = "sunburst, edd"


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "figure",
        description="Draws one figure; of several traces of the same thing, means with their standard deviation. HTML "
        "files hold all they need; PNG, SVG and PDF need `pip install 'smaragdine[figures]'` and a Chromium.",
    )
    parser.add_argument("traces", type=Path, nargs="+", metavar="TRACE", help="the directory that a recording wrote")
    parser.add_argument("--kind", choices=KINDS, required=True)
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE")
    parser.add_argument("--format", choices=FORMATS, dest="output_format", help="default: by the name of FILE")
    parser.add_argument("--layer", metavar="PATH", help="edd: the layer whose level is drawn")
    parser.add_argument("--phase", choices=PHASES, help=f"{_DIAGRAM}: one pass (default: all)")
    parser.add_argument("--folded", action="store_true", help=f"{_DIAGRAM}: self-similar layers as one")
    parser.add_argument(
        "--scale", choices=("energy", "power", "carbon"), default="energy", help=f"{_DIAGRAM}: what boxes tell"
    )
    parser.add_argument("--g-per-kwh", type=amount, metavar="G", help="--scale carbon: CO2e of a kilowatt-hour")
    parser.add_argument("--top", type=positive, default=10, metavar="N", help="rankings: how many (default: 10)")
    parser.add_argument(
        "--fold", type=parse_label, action="append", default=[], metavar="PATH=NAME",
        help="stef, stpf, stef-layers: fold all layers of a path, as in 'net/stage_*=stage'",
    )  # fmt: skip
    parser.add_argument("--shade", nargs="+", default=[], metavar="LAYER", help="power: shade while these execute")
    parser.add_argument(
        "--metric", default="loss", help="steps, cumulative, progress, leaderboard: which (default: loss)"
    )
    parser.add_argument("--against", choices=("time", "flops"), default="time", help="scatter: the horizontal axis")
    parser.add_argument("--policy", default="equal", help="how energy was split among operations (default: equal)")


def run(args: argparse.Namespace) -> int:
    from smaragdine.files.writing import is_stream, written
    from smaragdine.trace.runs import Runs

    output_format = args.output_format or args.output.suffix.removeprefix(".").lower()
    if output_format not in FORMATS:
        raise UsageError(f"the name {args.output} does not tell a format", f"add --format {'|'.join(FORMATS)}")
    runs = Runs.open(*args.traces)
    runs.require_readings()
    figure = KINDS[args.kind](runs, args)
    try:
        if output_format == "html":
            content = figure.to_html(include_plotlyjs=True, config={"displaylogo": False}).encode("utf-8")
        else:
            content = image(figure, args.output, output_format)
        with written(args.output) as file:
            file.write(content)
    except OSError as error:
        raise UsageError(f"cannot write {args.output}: {error.strerror or error}") from None
    if not is_stream(args.output):
        tell(args.output)
    return 0


def _edd(runs: Runs, args: argparse.Namespace) -> EDD:
    return runs.edd(args.phase, policy=args.policy, folded=args.folded)


def _scale(args: argparse.Namespace) -> figures.Scale:
    from smaragdine import figures

    if args.scale != "carbon":
        return figures.POWER if args.scale == "power" else figures.ENERGY
    if args.g_per_kwh is None:
        raise UsageError("--scale carbon needs the intensity of the electricity", "add --g-per-kwh G")
    return figures.Scale.carbon(args.g_per_kwh)


def _sunburst(runs: Runs, args: argparse.Namespace) -> go.Figure:
    from smaragdine import figures

    return figures.sunburst(_edd(runs, args), scale=_scale(args))


def _distribution(runs: Runs, args: argparse.Namespace) -> go.Figure:
    from smaragdine import figures

    return figures.distribution(_edd(runs, args), args.layer, scale=_scale(args))


def _ranking(runs: Runs, args: argparse.Namespace) -> go.Figure:
    from smaragdine import figures

    footprint = runs.footprint(args.policy)
    if args.kind.startswith("st"):
        footprint = footprint.summarize(dict(args.fold))
    return figures.ranking(footprint, args.top, kind=args.kind)


def _phases(runs: Runs, args: argparse.Namespace) -> go.Figure:
    """A bar for each name among the traces: those that share one are runs of the same thing."""
    from smaragdine import figures
    from smaragdine.trace.runs import Runs

    named: dict[str, list[Trace]] = {}
    for trace in runs:
        named.setdefault(trace.name, []).append(trace)
    alike = [Runs(tuple(same)).footprint(args.policy) for same in named.values()]
    return figures.phases(*alike, names=tuple(named))


def _similarity(runs: Runs, args: argparse.Namespace) -> go.Figure:
    from smaragdine import figures

    names = [trace.name for trace in runs]
    return figures.similarity(runs.footprint(args.policy), names=names, power=args.scale == "power")


def _leaderboard(runs: Runs, args: argparse.Namespace) -> go.Figure:
    from smaragdine import figures
    from smaragdine.carbon.cost import Cost
    from smaragdine.carbon.leaderboard import Leaderboard

    return figures.leaderboard(Leaderboard.of([Cost.of(trace) for trace in runs], args.metric))


def _of_traces(name: str, **options: Callable[[argparse.Namespace], object]) -> _Draw:
    """A figure of the traces themselves, with what the command line says of each option."""

    def draw(runs: Runs, args: argparse.Namespace) -> go.Figure:
        from smaragdine import figures

        return getattr(figures, name)(runs, **{option: given(args) for option, given in options.items()})

    return draw


KINDS: dict[str, _Draw] = {
    "sunburst": _sunburst,
    "edd": _distribution,
    "tef": _ranking,
    "stef": _ranking,
    "stpf": _ranking,
    "layers": _ranking,
    "stef-layers": _ranking,
    "phases": _phases,
    "ledger": _of_traces("ledger", policy=lambda args: args.policy),
    "power": _of_traces("power", layers=lambda args: args.shade),
    "steps": _of_traces("steps", metric=lambda args: args.metric),
    "cumulative": _of_traces("cumulative", metric=lambda args: args.metric),
    "progress": _of_traces("progress", metric=lambda args: args.metric),
    "ranks": _of_traces("ranks", policy=lambda args: args.policy),
    "scatter": _of_traces("scatter", against=lambda args: args.against),
    "similarity": _similarity,
    "leaderboard": _leaderboard,
}


def image(figure: go.Figure, output: Path, output_format: str) -> bytes:
    """`png`, `svg` or `pdf`, for `output`. Raises SmaragdineError where there is no kaleido, or no browser for it."""
    hint = (
        "pip install 'smaragdine[figures]', and name a Chromium in BROWSER_PATH where none is found; or write HTML "
        "and save the picture from there"
    )
    if find_spec("kaleido") is None:
        raise SmaragdineError(f"{output_format} needs kaleido, which is not installed", hint)
    figure.update_layout(paper_bgcolor="white", font={"color": "#374151"}, width=figure.layout.width or _WIDTH)
    # What goes wrong is raised; their logs would put a traceback on the terminal for every hiccup of the browser.
    for name in ("kaleido", "choreographer"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        return bytes(figure.to_image(format=output_format, scale=2 if output_format == "png" else 1))
    except OSError:
        raise
    except Exception as error:  # noqa: BLE001 kaleido and the browser behind it raise what they like
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise SmaragdineError(f"kaleido could not draw {output}: {reason}", hint) from None
