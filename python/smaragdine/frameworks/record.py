"""`smaragdine.record`: any Python code, whichever framework runs in it, with its steps where it marks them."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager

from smaragdine.daemon.messages import Clock, Event, Format
from smaragdine.frameworks.jax.loop import runs_jax
from smaragdine.frameworks.torch import loop as torch_loop
from smaragdine.recording.beginning import Begun
from smaragdine.recording.recorder import Recorder
from smaragdine.training.budget import Budget
from smaragdine.training.spans import SpanMark, Spans
from smaragdine.training.steps import StepMark
from smaragdine.training.training import Training
from smaragdine.training.window import Auto, Windows


@contextmanager
def record(
    output: str | os.PathLike[str],
    *,
    period: str = "4ms",
    window: int | Auto = "auto",
    every: int | Auto = "auto",
    model: object = None,
    name: str | None = None,
    labels: Mapping[str, str] | None = None,
    require_measured: bool = False,
    budget: str | None = None,
    budget_stops: bool = False,
    trackers: bool = True,
    pausable: bool = False,
) -> Iterator[Recording]:
    """Records the energy of the enclosed code, this process and its descendants, into the directory `output`.

    `period` is the sampling period, `4ms`. Where the code marks its steps (`Recording.step`) and runs TensorFlow or
    PyTorch or JAX, operations are traced in windows of `window` steps, which open `every` so many steps, or ("auto") as
    often as their cost stays below 1 % of the run. A loop of PyTorch's need not mark them: each step of its first
    optimizer ends one. `model` leads operations to layers: a PyTorch module, a Keras model, the `tf.function` of a
    step, or a list of several; or a module of Flax nnx or Equinox, to be told before its step is compiled (Flax linen
    and Haiku name their modules themselves).

    `budget` (`2 kWh`, `500 J`, or `100 g` of CO2e where a place is told) warns when most of it and all of it is drawn;
    with `budget_stops`, `Recording.step` then raises `BudgetReached`. A run of MLflow or Weights & Biases that is
    active gets totals and the report, unless `trackers` is False. Where it is `pausable`, its owner may have it stand
    still between two steps, on the page of `smaragdine view`.

    Raises `UsageError` where what is asked for makes no sense: an option, or an `output` that holds something else than
    a trace (beside one, it goes to `output`-2). Nothing else that is wrong with a recording, at its start or later,
    keeps the enclosed code from running, unless `require_measured`: where nothing can be measured, `SmaragdineError` is
    raised then.
    """
    windows = Windows(window, every)
    limit = Budget(budget, labels, stops=budget_stops) if budget is not None else None
    recording = Recording.start(
        output,
        period=period,
        name=name,
        labels=labels,
        software=torch_loop.software(),
        require_measured=require_measured,
    )
    recording.trace(windows, model, limit, trackers=trackers, pausable=pausable)
    try:
        yield recording
    except BaseException as error:
        with recording.guarded():
            recording.note(f"ended by {type(error).__name__}: {error}")
        raise
    finally:
        recording.finish()


class Recording(Recorder):
    """A recording of the program's own code, which marks its steps and may send events of its own."""

    def __init__(self, begun: Begun | None) -> None:
        super().__init__(begun)
        self._training: Training | None = None
        self._model: object = None
        self._spans = Spans(self.channel.span, self.channel.numbers)
        self._hooked: torch_loop.OptimizerSteps | None = None

    def trace(
        self,
        windows: Windows,
        model: object = None,
        budget: Budget | None = None,
        *,
        trackers: bool = True,
        pausable: bool = False,
    ) -> Training:
        """Traces operations in these windows of the steps that `step` marks; the rest as `record` takes it."""
        self._training = training = Training(
            self, windows, budget=budget, trackers=trackers, pausable=pausable, before_step=self._find_tracer
        )
        # Whoever encloses the code ends the recording.
        training.ended = True
        self._model = model
        self._hooked = torch_loop.hooked(self, training, model, self._find_tracer)
        return training

    def step(
        self,
        step: int | None = None,
        *,
        epoch: int = 0,
        samples: int = 0,
        tokens: int = 0,
        traced: bool | None = None,
    ) -> AbstractContextManager[StepMark]:
        """Marks one step of the enclosed code, numbered from 0 unless given; code that raises is no step.

        `samples` and `tokens` are how many examples and tokens are processed, 0 where unknown; what is known only at
        the step's end may be set on the mark: `mark.samples`, `mark.metrics["tokens"]`. A step is `traced` where its
        events are sent; by default, where a window is open or `events` was called within it. Raises
        `BudgetReached` before it begins where the recording's budget is drawn and `budget_stops` was asked for.
        """
        training = self._training or self.trace(Windows())
        if self._hooked:
            self._hooked.end()
            self._hooked = None
        metrics = {"tokens": tokens} if tokens else None
        return training.step(step, epoch=epoch, samples=samples, metrics=metrics, traced=traced)

    def span(self, name: str, *, tokens: int = 0, requests: int = 0) -> AbstractContextManager[SpanMark]:
        """Names a stretch of the enclosed code, `prefill` or `decode`; spans may nest, on any thread.

        `tokens` are those that it processes or makes, `requests` those that it serves together, 0 where unknown; what
        is known only at its end may be set on the mark. `Trace.named_spans` tells each one's energy.
        """
        return self._spans.span(name, tokens=tokens, requests=requests)

    @property
    def paused(self) -> bool:
        """The daemon asks to send nothing that can wait: no further profiles for now."""
        return self.channel.paused

    @property
    def budget_reached(self) -> bool:
        """All of the recording's budget is drawn; False without one."""
        allowance = self._training.allowance if self._training else None
        return allowance is not None and allowance.reached

    def place(self, region: str | None = None, pue: float | str | None = None) -> None:
        """Where the energy is drawn: the trace's labels `region` and `pue`, which statements read.

        `region` is a code or name that a table knows (`US-CA`, `Québec`, `gcp:us-central1`), `pue` a number or the name
        of a published one. Raises `UsageError` for what is neither, with the nearest names.
        """
        from smaragdine.carbon.place import LABEL, Place
        from smaragdine.carbon.pue import Pue

        factor = Pue.of(pue) if pue is not None else None
        where = Place(region, factor) if region is not None else None
        labels = {LABEL: where.code} if where else {}
        self.channel.label(labels if pue is None else {**labels, "pue": str(pue)})
        if self._training and self._training.allowance:
            self._training.allowance.budget.at(where, factor)

    def events(self, events: Sequence[Event], clock: Clock = "realtime") -> None:
        """Sends events of one clock: `time.time_ns()` is `realtime`, `time.monotonic_ns()` `monotonic`."""
        self.channel.events(events, clock)
        if self._training:
            self._training.events_sent()

    def note(self, text: str) -> None:
        """Keeps a remark with the trace."""
        self.channel.note(text)

    def profile(self, format: Format, data: bytes) -> bool:
        """Sends a profiler's output; waits for room, so call it from a background thread. False where it has ended."""
        return self.channel.profile(format, data)

    def _find_tracer(self) -> None:
        """The first framework that runs: it may be imported after the recording began."""
        training = self._training
        if not training or training.traceable or self.state != "recording":
            return
        if (tracer := torch_loop.loop_tracer(self.channel, self._model)) is not None:
            training.trace(tracer)
        elif runs_jax(self._model):
            from smaragdine.frameworks.jax.loop import loop_tracer as jax_tracer

            training.trace(jax_tracer(self.channel, self._model))
        elif "tensorflow" in sys.modules:
            from smaragdine.frameworks.tensorflow.loop import loop_tracer

            training.trace(loop_tracer(self.channel, self._model))
