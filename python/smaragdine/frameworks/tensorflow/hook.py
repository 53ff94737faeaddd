"""The hook of a graph-mode session: every run is a step, and traced ones leave their RunMetadata."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from smaragdine.daemon.messages import Format, Model
from smaragdine.frameworks.tensorflow.session import SessionTracer
from smaragdine.recording.recorder import Recorder
from smaragdine.training.plan import Plan
from smaragdine.training.training import Training
from smaragdine.training.window import Auto

try:
    import tensorflow as tf
except ImportError as error:
    raise ImportError("smaragdine.tensorflow needs TensorFlow\nhint: pip install 'smaragdine[tensorflow]'") from error

_v1 = tf.compat.v1


class EnergyHook(_v1.train.SessionRunHook):  # type: ignore[misc,name-defined]
    """Records the energy of a session's steps into the directory `output`, operation by operation.

    Every `session.run` is a step of `samples` examples (0: unknown). Steps are traced in windows of `window` steps,
    which open `every` so many steps, or ("auto") as often as their cost stays below 1 % of the training. `name` is the
    trace's name, the model's outermost scope by default. `budget`, `trackers` and `pausable` are as `smaragdine.record`
    takes them; with `budget_stops` the session is then asked to stop.

    Raises `UsageError` before any session where an option makes no sense, or `output` holds what is no trace. Nothing
    else that goes wrong with recording, at its start or later, fails the training. A copy, also by pickle, has recorded
    nothing yet, whatever its original has.
    """

    def __init__(
        self,
        output: str | os.PathLike[str],
        *,
        period: str = "4ms",
        window: int | Auto = "auto",
        every: int | Auto = "auto",
        name: str | None = None,
        labels: Mapping[str, str] | None = None,
        budget: str | None = None,
        budget_stops: bool = False,
        trackers: bool = True,
        pausable: bool = False,
        samples: int = 0,
    ) -> None:
        self._plan = Plan(
            output,
            period=period,
            window=window,
            every=every,
            name=name,
            labels=labels,
            budget=budget,
            budget_stops=budget_stops,
            trackers=trackers,
            pausable=pausable,
        )
        self._samples = samples
        self._recorder: Recorder | None = None
        self._training: Training | None = None
        self._tracer: SessionTracer | None = None
        self._described = self._asked = False

    @property
    def path(self) -> Path | None:
        """The trace directory; None before the session begins, inside `smaragdine run`, and where recording could not
        start."""
        return self._recorder.path if self._recorder else None

    def finish(self) -> Path | None:
        """Waits until the trace is written and returns its directory; only needed after a training that raised."""
        return self._recorder.finish() if self._recorder else None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_recorder": None, "_training": None, "_tracer": None}

    @property
    def _running(self) -> tuple[Training, SessionTracer] | None:
        """The training and its tracer, while its recording runs."""
        if self._training and self._tracer and self._training.recorder.state == "recording":
            return self._training, self._tracer
        return None

    def begin(self) -> None:
        self.finish()
        self._training = self._tracer = None
        self._described = False
        variables = [str(variable.op.name) for variable in _v1.trainable_variables()]
        recorder = self._recorder = self._plan.start(_outermost(variables), {"tensorflow": str(tf.__version__)})
        if recorder.state != "recording":
            return
        with recorder.guarded():
            recorder.channel.model(Model(_outermost(variables) or "", variables=variables))
            self._tracer = SessionTracer(recorder.channel)
            self._training = Training(
                recorder,
                self._plan.windows(),
                self._tracer,
                budget=self._plan.budget,
                trackers=self._plan.trackers,
                pausable=self._plan.pausable,
            )

    def after_create_session(self, session: Any, coord: Any) -> None:
        """Also called when a lost session is created anew."""
        if not self._running:
            return
        training, _ = self._running
        graph, channel = session.graph, training.recorder.channel
        with training.recorder.guarded():
            if not self._described:
                self._described = True
                # In the background: serialising a large graph takes tens of milliseconds.
                definition = graph.as_graph_def
                training.later(lambda: channel.profile(Format.GRAPH_DEF, definition().SerializeToString()), free=True)
            # A session that closes joins its coordinator, also when a step raised; `end` was called before, if at all.
            training.watch(lambda: not coord.joined)

    def before_run(self, run_context: Any) -> Any:
        if not self._running:
            return None
        training, tracer = self._running
        training.step_begins(samples=self._samples)
        self._asked = tracer.shows_graphs
        if not training.traced and not self._asked:
            return None
        level = _v1.RunOptions.FULL_TRACE if training.traced else _v1.RunOptions.NO_TRACE
        options = _v1.RunOptions(trace_level=level, output_partition_graphs=self._asked)
        return _v1.train.SessionRunArgs(None, options=options)

    def after_run(self, run_context: Any, run_values: Any) -> None:
        if not self._running:
            return
        training, tracer = self._running
        metadata = run_values.run_metadata
        if training.traced:
            tracer.ran(metadata)
        if self._asked:
            training.later(lambda: tracer.ship_graphs(metadata))
        training.step_ended()
        if training.to_stop():
            run_context.request_stop()

    def end(self, session: Any) -> None:
        if self._training:
            self._training.ended = True
            self._training.recorder.finish()


def _outermost(variables: list[str]) -> str | None:
    """The scope that most variables share: the model's name."""
    scopes = Counter(name.split("/", 1)[0] for name in variables if "/" in name)
    return scopes.most_common(1)[0][0] if scopes else None
