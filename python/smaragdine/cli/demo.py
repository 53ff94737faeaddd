"""`smaragdine demo`: trains a small BERT-like model here and shows where its energy went."""

from __future__ import annotations

import argparse
import os
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smaragdine.cli.terminal import tell
from smaragdine.errors import SmaragdineError, UsageError

if TYPE_CHECKING:
    from smaragdine.trace.trace import Trace

BATCH = 8
STEPS = 150
# Two of ten steps are traced, 30 in all: enough that two demos rank layers alike (experiments/ranking).
WINDOW, EVERY = 2, 10
# What each framework is called, which packages it is, and how to get them.
_NEEDS = {
    "tensorflow": ("TensorFlow", ("tensorflow", "keras"), "pip install 'smaragdine[demo]'"),
    "torch": ("PyTorch", ("torch",), "pip install torch"),
}
_TOP = 10
_DEPTH, _BOXES = 3, 6
_BAR = 30


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "demo",
        help="train a small model here and show where its energy went",
        description="Trains a small BERT-like model, in Keras or PyTorch, on the Python standard library's sources, "
        f"accounts its energy, and writes a trace and DIR/report.html. {WINDOW} of every {EVERY} steps are traced.",
    )
    parser.add_argument("-o", "--output", default="smaragdine-demo", metavar="DIR", help="the trace (%(default)s)")
    parser.add_argument(
        "--framework", choices=sorted(_NEEDS), default="tensorflow", help="what the model is written in (%(default)s)"
    )
    parser.add_argument("--steps", type=int, default=STEPS, metavar="N", help="steps to train (%(default)s)")


def run(arguments: argparse.Namespace) -> int:
    if arguments.steps < 1:
        raise UsageError(f"--steps is {arguments.steps}", hint="train at least one step")
    name, packages, hint = _NEEDS[arguments.framework]
    if any(find_spec(package) is None for package in packages):
        raise SmaragdineError(f"the demo trains with {name}, which is not installed", hint)
    path = train(arguments.output, arguments.steps, arguments.framework)

    from smaragdine.report import write
    from smaragdine.trace.runs import Runs
    from smaragdine.trace.trace import Trace

    _tell(Trace.open(path))
    report = write(Runs.open(path))
    tell()
    tell(f"The trace is in {path}, its report in {report}")
    return 0


def train(output: str, steps: int, framework: str = "tensorflow") -> Path:
    """Trains the demo's model for so many steps; returns its trace."""
    path = _train_torch(output, steps) if framework == "torch" else _train_keras(output, steps)
    if path is None:
        raise SmaragdineError(
            "the demo trained without a trace of its own: another recording has it, or none could be started",
            hint="run it outside `smaragdine run`; the warning above says why a recording could not be started",
        )
    return path


def _train_torch(output: str, steps: int) -> Path | None:
    tell("loading PyTorch …", out=sys.stderr)
    from smaragdine.demo import torch_bert
    from smaragdine.demo.corpus import Corpus
    from smaragdine.demo.shape import Shape

    shape, bar = Shape(), _Bar(steps)
    inputs, labels = Corpus.load(shape.vocabulary).arrays(
        steps, batch=BATCH, sequence=shape.sequence, predictions=shape.predictions
    )
    path = torch_bert.train(output, shape, inputs, labels, batch=BATCH, window=WINDOW, every=EVERY, progress=bar.draw)
    bar.end()
    return path


def _train_keras(output: str, steps: int) -> Path | None:
    # TensorFlow reads this when it is imported; what it logs about each profile would tear the progress bar apart.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    tell("loading TensorFlow …", out=sys.stderr)
    from smaragdine.demo.corpus import Corpus
    from smaragdine.demo.model import build
    from smaragdine.demo.shape import Shape
    from smaragdine.keras import EnergyCallback

    callback = EnergyCallback(output, window=WINDOW, every=EVERY, name="demo")
    shape = Shape()
    inputs, labels = Corpus.load(shape.vocabulary).arrays(
        steps, batch=BATCH, sequence=shape.sequence, predictions=shape.predictions
    )
    build(shape).fit(inputs, labels, batch_size=BATCH, shuffle=False, verbose=0, callbacks=[callback, _progress(steps)])
    return callback.finish()


class _Bar:
    """How far the training is, on standard error."""

    def __init__(self, steps: int) -> None:
        self._steps = steps
        self._began = time.monotonic()
        # A terminal shows one moving bar; a file or a pipe gets ten lines.
        self._moving = sys.stderr.isatty()

    def draw(self, done: int) -> None:
        if not self._moving and done % max(self._steps // 10, 1):
            return
        filled = _BAR * done // self._steps
        elapsed = time.monotonic() - self._began
        bar = "█" * filled + "░" * (_BAR - filled)
        start, end = ("\r", "") if self._moving else ("", "\n")
        sys.stderr.write(f"{start}training {bar} {done}/{self._steps} steps, {elapsed:.0f} s{end}")
        sys.stderr.flush()

    def end(self) -> None:
        self.draw(self._steps)
        if self._moving:
            tell(out=sys.stderr)


def _progress(steps: int) -> Any:
    """A callback that draws a bar on standard error."""
    import keras

    class Progress(keras.callbacks.Callback):  # type: ignore[misc]
        async_safe = True
        bar = _Bar(steps)

        def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
            self.bar.draw(batch)

        def on_train_end(self, logs: Any = None) -> None:
            self.bar.end()

    return Progress()


def _tell(trace: Trace) -> None:
    """What the training came to, as text."""
    from smaragdine.cli import result
    from smaragdine.cli.table import write_table
    from smaragdine.text.table import Table
    from smaragdine.text.tree import tree

    if trace.notice:
        tell(trace.notice, "yellow")
        tell()
    footprint = trace.footprint()
    tell(footprint.coverage.sentence())

    tell()
    tell("Energy by device", "bold")
    for line in result.totals(trace):
        tell(f"  {line}")
    tell()
    tell("Where every joule went", "bold")
    write_table(Table.of_ledger(trace.ledger()))
    tell()
    tell("The layers that took most of the operations’ energy", "bold")
    write_table(tree(trace.edd(), depth=_DEPTH, top=_BOXES, guides=sys.stdout.isatty()))
    tell()
    tell(f"The {_TOP} tensors that did, self-similar layers folded", "bold")
    write_table(Table.of_groups(footprint.top(_TOP, "stef"), "tensor"))
