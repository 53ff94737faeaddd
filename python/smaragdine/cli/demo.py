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
FRAMEWORKS = ("tensorflow", "torch", "jax")
# Two of ten steps are traced, 30 in all: enough that two demos rank layers alike (experiments/ranking).
WINDOW, EVERY = 2, 10
_TOP = 10
_JAX = "pip install jax flax optax"
_DEPTH, _BOXES = 3, 6
_BAR = 30


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "demo",
        description="Trains a small BERT-like model, in Keras, PyTorch or Flax, on the Python standard library's "
        f"sources, accounts its energy, and writes a trace and DIR/report.html. {WINDOW} of every {EVERY} steps are "
        "traced.",
    )
    parser.add_argument("-o", "--output", default="smaragdine-demo", metavar="DIR", help="the trace (%(default)s)")
    parser.add_argument("--framework", choices=FRAMEWORKS, default=FRAMEWORKS[0], help="what trains it (%(default)s)")
    parser.add_argument("--steps", type=int, default=STEPS, metavar="N", help="steps to train (%(default)s)")
    parser.add_argument(
        "--pausable", action="store_true",
        help="let `smaragdine view DIR`, and a page that follows it, pause the training and have it go on",
    )  # fmt: skip


def run(arguments: argparse.Namespace) -> int:
    if arguments.steps < 1:
        raise UsageError(f"--steps is {arguments.steps}", hint="train at least one step")
    if arguments.framework == "jax":
        if any(find_spec(name) is None for name in ("jax", "flax", "optax")):
            raise SmaragdineError("this demo trains with JAX, Flax and Optax, which are not installed", _JAX)
        path = train_by_jax(arguments.output, arguments.steps, pausable=arguments.pausable)
    elif arguments.framework == "torch":
        if find_spec("torch") is None:
            raise SmaragdineError("this demo trains with PyTorch, which is not installed", "pip install torch")
        path = train_by_torch(arguments.output, arguments.steps, pausable=arguments.pausable)
    else:
        if find_spec("tensorflow") is None or find_spec("keras") is None:
            raise SmaragdineError(
                "the demo trains with TensorFlow, which is not installed", "pip install 'smaragdine[demo]'"
            )
        path = train(arguments.output, arguments.steps, pausable=arguments.pausable)

    from smaragdine.report import write
    from smaragdine.trace.runs import Runs
    from smaragdine.trace.trace import Trace

    _tell(Trace.open(path))
    report = write(Runs.open(path))
    tell()
    tell(f"The trace is in {path}, its report in {report}")
    return 0


def train(output: str, steps: int, *, pausable: bool = False) -> Path:
    """Trains the demo's model for so many steps; returns its trace."""
    # TensorFlow reads this when it is imported; what it logs about each profile would tear the progress bar apart.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    tell("loading TensorFlow …", out=sys.stderr)
    from smaragdine.demo.log import Log

    log = Log()
    with log.open():
        from smaragdine.demo.corpus import Corpus
        from smaragdine.demo.model import build
        from smaragdine.demo.shape import Shape
        from smaragdine.keras import EnergyCallback

    callback = EnergyCallback(output, window=WINDOW, every=EVERY, name="demo", pausable=pausable)
    shape = Shape()
    inputs, labels = Corpus.load(shape.vocabulary).arrays(
        steps, batch=BATCH, sequence=shape.sequence, predictions=shape.predictions
    )
    build(shape).fit(inputs, labels, batch_size=BATCH, shuffle=False, verbose=0, callbacks=[callback, _progress(steps)])
    path = _written(callback.finish())
    log.keep(path / "tensorflow.log")
    return path


def train_by_jax(output: str, steps: int, *, pausable: bool = False) -> Path:
    """The same with the same model in Flax."""
    tell("loading JAX …", out=sys.stderr)
    import smaragdine
    from smaragdine.demo.corpus import Corpus
    from smaragdine.demo.flax import Training
    from smaragdine.demo.shape import Shape

    shape = Shape()
    text = Corpus.load(shape.vocabulary)
    training, bar = Training(shape, BATCH), _Bar(steps)
    with smaragdine.record(output, window=WINDOW, every=EVERY, name="demo", pausable=pausable) as recording:
        for number in range(steps):
            bar.draw(number)
            batch = text.batch(number, batch=BATCH, sequence=shape.sequence, predictions=shape.predictions)
            with recording.step(samples=BATCH) as step:
                step.metrics["loss"] = training.step(batch.tokens, batch.positions, batch.labels)
        bar.end()
    return _written(recording.path)


def train_by_torch(output: str, steps: int, *, pausable: bool = False) -> Path:
    """The same with the same model in PyTorch."""
    tell("loading PyTorch …", out=sys.stderr)
    from smaragdine.demo import torch_bert
    from smaragdine.demo.corpus import Corpus
    from smaragdine.demo.shape import Shape

    shape, bar = Shape(), _Bar(steps)
    inputs, labels = Corpus.load(shape.vocabulary).arrays(
        steps, batch=BATCH, sequence=shape.sequence, predictions=shape.predictions
    )
    path = torch_bert.train(
        output, shape, inputs, labels, batch=BATCH, window=WINDOW, every=EVERY, progress=bar.draw, pausable=pausable
    )
    bar.end()
    return _written(path)


def _written(path: Path | None) -> Path:
    if path is None:
        raise SmaragdineError(
            "the demo trained without a trace of its own: another recording has it, or none could be started",
            hint="run it outside `smaragdine run`; the warning above says why a recording could not be started",
        )
    return path


def _progress(steps: int) -> Any:
    """A callback that draws a bar on standard error."""
    import keras

    bar = _Bar(steps)

    class Progress(keras.callbacks.Callback):  # type: ignore[misc]
        async_safe = True

        def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
            bar.draw(batch)

        def on_train_end(self, logs: Any = None) -> None:
            bar.end()

    return Progress()


class _Bar:
    """On standard error: a terminal shows one that moves, a file or a pipe gets ten lines."""

    def __init__(self, steps: int) -> None:
        self._steps = steps
        self._began = time.monotonic()
        self._moving = sys.stderr.isatty()

    def draw(self, done: int) -> None:
        steps = self._steps
        if not self._moving and done % max(steps // 10, 1):
            return
        filled = _BAR * done // steps
        elapsed = time.monotonic() - self._began
        bar = "█" * filled + "░" * (_BAR - filled)
        start, end = ("\r", "") if self._moving else ("", "\n")
        sys.stderr.write(f"{start}training {bar} {done}/{steps} steps, {elapsed:.0f} s{end}")
        sys.stderr.flush()

    def end(self) -> None:
        self.draw(self._steps)
        if self._moving:
            tell(out=sys.stderr)


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
