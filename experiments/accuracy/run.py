"""Prints how far each policy is from a truth known by construction, and draws it: the table of README.md.

Simulated: the program that draws the power, and the sensor. Real: the accounting, called as the daemon calls it.
"""

from __future__ import annotations

import argparse
import csv
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import plotly.graph_objects as go

from smaragdine.figures import theme

ROOT = Path(__file__).resolve().parent.parent.parent
# As in the goal: readings of four milliseconds, their edges known to ±25 µs, one operation at a time.
SHOWN = {"sensor": "4 ms readings", "lanes": "1", "edges": "±25 µs"}
POLICIES = {
    "released": "as published",
    "recency": "recency",
    "equal": "equal share",
    "deconvolved": "deconvolved",
    "oracle": "… with exact edges",
}
COLOURS = (theme.DOMAINS[3], theme.DOMAINS[1], theme.DOMAINS[2], theme.DOMAINS[0], theme.DOMAINS[5])

# In per cent. A logarithmic scale has no room for less than tables tell.
LEAST_SHOWN = 0.01
# Of intervals that promise 90 %.
TOO_WIDE = 0.98

Row = dict[str, str]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="two operation lengths, one training each: a minute")
    parser.add_argument("--worlds", action="store_true", help="only the worlds of the battery: ten minutes")
    parser.add_argument("--csv", type=Path, nargs="+", metavar="FILE", help="read these tables instead of making one")
    parser.add_argument("--figure", type=Path, metavar="FILE", help="draw errors over length (svg, png, html)")
    options = parser.parse_args()
    if not options.worlds:
        small = ["--small"] if options.small else []
        rows = read(file.read_text() for file in options.csv) if options.csv else read([accuracy("table", *small)])
        print_errors(rows)
        print_answers(rows)
        if options.figure:
            draw(rows, options.figure)
    if not options.csv:
        print_worlds(read([accuracy("worlds", *(["--seeds", "2"] if options.small else []))]))
    return 0


def accuracy(*arguments: str) -> str:
    command = ["cargo", "run", "--release", "--quiet", "--package", "accuracy", "--", *arguments]
    return subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout


def read(tables: Iterable[str]) -> list[Row]:
    return [row for table in tables for row in csv.DictReader(table.splitlines())]


def print_errors(rows: list[Row]) -> None:
    """Mean error by operation length and policy, where `SHOWN`."""
    shown = [row for row in rows if all(row[key] == value for key, value in SHOWN.items())]
    print("Mean error by type of operation; " + ", ".join(f"{key} {value}" for key, value in SHOWN.items()))
    print(f"{'operations of':>14}" + "".join(f"{name:>20}" for name in POLICIES.values()))
    for op_us in dict.fromkeys(row["op_us"] for row in shown):
        of = {row["policy"]: float(row["mean_error"]) for row in shown if row["op_us"] == op_us}
        print(f"{op_us:>11} µs" + "".join(f"{100 * of[policy]:18.2f} %" for policy in POLICIES))


def print_answers(rows: list[Row]) -> None:
    """Of the deconvolved policy: every case, with its intervals or why it was refused."""
    print("\nDeconvolved: mean and worst error, truth within the interval, half the interval in the median")
    for row in rows:
        if row["policy"] != "deconvolved":
            continue
        case = (
            f"{row['op_us']:>6} µs  {row['sensor']:14}  {row['lanes']} at once  {row['edges']:8} {row['traced_s']:>4} s"
        )
        print(f"{case}  {told(row)}")


def print_worlds(rows: list[Row]) -> None:
    """Of the deconvolved policy in each world: how it was answered, and whether intervals kept their promise."""
    print("\nWorlds: mean and worst error, truth within the interval, half the interval in the median")
    for row in rows:
        is_wide = int(row["covered"]) > TOO_WIDE * int(row["cases"])
        print(f"{row['world']:40} {told(row)}{'  wider than they promise' if is_wide else ''}")


def told(row: Row) -> str:
    """What was answered, and why some was not."""
    answered, refused = int(row["answered"]), int(row["refused"])
    if not answered:
        return f"refused: {row['refusal']}; equal share errs by {100 * float(row['mean_error']):.0f} %"
    covered = f"{100 * int(row['covered']) / max(1, int(row['cases'])):4.0f} %"
    half = f"±{100 * float(row['median_half_width'] or 'nan'):5.1f} %"
    errors = f"{100 * float(row['mean_error']):6.2f} %  {100 * float(row['worst_error']):6.1f} %"
    return f"{errors}  {covered}  {half}" + (f"  ({refused} of {answered + refused} refused)" if refused else "")


def draw(rows: Iterable[Row], path: Path) -> None:
    """Mean error over operation length, one line for each policy."""
    shown = [row for row in rows if all(row[key] == value for key, value in SHOWN.items())]
    figure = go.Figure()
    for (policy, name), colour in zip(POLICIES.items(), COLOURS, strict=True):
        of = [row for row in shown if row["policy"] == policy]
        figure.add_scatter(
            x=[float(row["op_us"]) / 1e3 for row in of],
            y=[max(100 * float(row["mean_error"]), LEAST_SHOWN) for row in of],
            name=name,
            mode="lines+markers",
            line={"color": colour, "width": 2, "dash": "dot" if policy == "oracle" else "solid"},
        )
    lengths = dict.fromkeys(float(row["op_us"]) / 1e3 for row in shown)
    ticks = {"type": "log", "gridcolor": theme.GRID, "linecolor": theme.LINE}
    figure.update_xaxes(title="length of an operation (ms)", tickvals=list(lengths), **ticks)
    title = f"mean error by type of operation<br>(%, at least {LEAST_SHOWN})"
    figure.update_yaxes(title=title, tickvals=[0.01, 0.1, 1, 10, 100], **ticks)
    font = {"family": theme.FONT, "color": theme.INK, "size": 13}
    figure.update_layout(width=760, height=420, margin={"l": 90, "r": 20, "t": 20, "b": 60}, font=font)
    figure.update_layout(plot_bgcolor="white", paper_bgcolor="white")
    if path.suffix == ".html":
        figure.write_html(path)
    else:
        figure.write_image(path, scale=2 if path.suffix == ".png" else 1)


if __name__ == "__main__":
    sys.exit(main())
