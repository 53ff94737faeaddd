"""What every experiment works with: recordings of settings, and a folder for its table, figures and findings."""

from __future__ import annotations

import argparse
import csv
import json
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from smaragdine import Runs, Trace
from smaragdine.cli.figure import image
from smaragdine.errors import SmaragdineError

from .claim import MEASURED, MODELLED, Finding
from .claim import WAVEFORM as KNOWN_WAVEFORM
from .ending import failed
from .recordings import has_sensor, recorded
from .scale import SCALES, Scale
from .setting import OWN, WAVEFORM, Setting

if TYPE_CHECKING:
    import plotly.graph_objects as go

OUTPUT = Path("runs/experiments")


@dataclass(frozen=True)
class Bench:
    """One experiment at one scale. Traces are shared between the experiments of an output folder."""

    experiment: str
    scale: Scale
    output: Path
    data: tuple[Path | None, Path | None] = (None, None)

    @property
    def folder(self) -> Path:
        """Where this experiment's table, figures and findings go."""
        return self.output / self.experiment

    def runs(self, setting: Setting, runs: int | None = None) -> Runs:
        """So many runs of a setting, by default those of one experiment; recorded where they are missing."""
        folder = self.output / "traces" / setting.name
        return Runs.open(*recorded(setting, folder, runs or self.scale.runs, self.data))

    @property
    def known_power(self) -> Setting:
        """The default setting, over registers that follow a waveform where there is no sensor."""
        default = self.scale.default
        return Setting(default.size, steps=default.steps, registers=OWN if has_sensor() else WAVEFORM)

    def table(self, name: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """Writes a CSV file and prints it with its columns aligned."""
        kept = [list(columns), *([_text(cell) for cell in row] for row in rows)]
        with self._file(f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(kept)
        widths = [max(len(row[column]) for row in kept) for column in range(len(columns))]
        print(f"\n{self.experiment}: {name}")
        for row in kept:
            print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())

    def figure(self, name: str, figure: go.Figure, *, picture: bool = False) -> None:
        """Writes a page; all of a folder share plotly's script, which lies beside them.

        `picture`: the table shows it, so it is also drawn as one where the scale has pictures.
        """
        figure.write_html(self._file(f"{name}.html"), include_plotlyjs="directory", config={"displaylogo": False})
        if picture and self.scale.pictures:
            try:
                path = self._file(f"{name}.png")
                path.write_bytes(image(figure, path, "png"))
            except SmaragdineError as error:
                print(f"no picture of {name}: {error.message}", file=sys.stderr)

    def conclude(self, findings: Sequence[Finding]) -> None:
        told = [asdict(finding) | {"experiment": self.experiment} for finding in findings]
        self._file("findings.json").write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n")
        print()
        for finding in findings:
            print(f"{finding.verdict}: {finding.claim}\n  published {finding.published}\n  here {finding.here}")

    def _file(self, name: str) -> Path:
        self.folder.mkdir(parents=True, exist_ok=True)
        return self.folder / name


def _text(cell: object) -> str:
    if cell is None:
        return "–"
    return f"{cell:.6g}" if isinstance(cell, float) else str(cell)


def basis(of: Runs | Trace) -> str:
    """On what a recording's energy rests."""
    traces = of.traces if isinstance(of, Runs) else (of,)
    if any(trace.modelled for trace in traces):
        return MODELLED
    return KNOWN_WAVEFORM if any(trace.metadata.labels.get("registers") == WAVEFORM for trace in traces) else MEASURED


def run(description: str | None, experiment: str, conduct: Callable[[Bench], Sequence[Finding]]) -> int:
    """The command line of every experiment."""
    parser = argparse.ArgumentParser(description=description, prog=f"python -m experiments.paper.{experiment}.run")
    arguments(parser)
    options = parser.parse_args()
    scale = SCALES[options.scale]
    output = options.output or OUTPUT / scale.name
    bench = Bench(experiment, scale, output, (options.pretrain_data, options.cola))
    began = time.monotonic()
    try:
        bench.conclude(conduct(bench))
    except SmaragdineError as error:
        return failed(error)
    print(f"{experiment}: {time.monotonic() - began:.0f} s", file=sys.stderr)
    return 0


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--scale", choices=tuple(SCALES), default="smoke", help="how much (default: %(default)s)")
    parser.add_argument("--output", type=Path, metavar="DIR", help=f"traces and results (default: {OUTPUT}/SCALE)")
    parser.add_argument("--pretrain-data", type=Path, metavar="PATH", help="a text file, or a folder of .txt files")
    parser.add_argument("--cola", type=Path, metavar="FILE", help="CoLA's in_domain_train.tsv")
