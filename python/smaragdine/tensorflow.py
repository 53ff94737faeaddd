"""Energy of a graph-mode TensorFlow training, under its exact tensor names.

with tf.compat.v1.train.MonitoredTrainingSession(hooks=[EnergyHook("runs/bert")]) as session:
    while not session.should_stop():
        session.run(train_op)
"""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from smaragdine.daemon.messages import Format, Model
from smaragdine.frameworks.tensorflow.executed import of_session
from smaragdine.recording.recording import Recording
from smaragdine.training.plan import Plan
from smaragdine.training.shipper import Shipper
from smaragdine.training.steps import Steps
from smaragdine.training.vigil import Vigil
from smaragdine.training.window import Auto, Windows

try:
    import tensorflow as tf
except ImportError as error:
    raise ImportError("smaragdine.tensorflow needs TensorFlow\nhint: pip install 'smaragdine[tensorflow]'") from error

_LOG = logging.getLogger("smaragdine")
_v1 = tf.compat.v1


class EnergyHook(_v1.train.SessionRunHook):  # type: ignore[misc,name-defined]
    """Records the energy of a session's steps into the directory `output`, operation by operation.

    Every `session.run` is a step of `samples` examples (0: unknown). Steps are traced in windows of `window` steps,
    which open `every` so many steps, or ("auto") as often as their cost stays below 1 % of the training. `name` is the
    trace's name, the model's outermost scope by default.

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
        samples: int = 0,
    ) -> None:
        self._plan = Plan(output, period=period, window=window, every=every, name=name, labels=labels)
        self._samples = samples
        self._session: _Session | None = None

    @property
    def path(self) -> Path | None:
        """The trace directory; None before the session begins, inside `smaragdine run`, and where recording could not
        start."""
        return self._session.recording.path if self._session else None

    def finish(self) -> Path | None:
        """Waits until the trace is written and returns its directory; only needed after a training that raised."""
        return self._session.recording.finish() if self._session else None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_session": None}

    @property
    def _recorded(self) -> _Session | None:
        """The session, while its recording runs."""
        return self._session if self._session and self._session.recording.state == "recording" else None

    def begin(self) -> None:
        self.finish()
        self._session = None
        variables = [str(variable.op.name) for variable in _v1.trainable_variables()]
        recording = self._plan.start(_outermost(variables), {"tensorflow": str(tf.__version__)})
        if recording.state != "recording":
            return
        with recording.guarded():
            recording.model(Model(_outermost(variables) or "", variables=variables))
            self._session = _Session(recording, self._plan.windows(), self._samples)

    def after_create_session(self, session: Any, coord: Any) -> None:
        if self._recorded:
            with self._recorded.recording.guarded():
                self._recorded.created(session, coord)

    def before_run(self, run_context: Any) -> Any:
        options = None
        if self._recorded:
            with self._recorded.recording.guarded():
                options = self._recorded.step_begins()
        return _v1.train.SessionRunArgs(None, options=options) if options else None

    def after_run(self, run_context: Any, run_values: Any) -> None:
        if self._recorded:
            with self._recorded.recording.guarded():
                self._recorded.step_ended(run_values.run_metadata)

    def end(self, session: Any) -> None:
        if self._session:
            self._session.ended = True
            self._session.recording.finish()


class _Session:
    """One session while it is recorded."""

    def __init__(self, recording: Recording, windows: Windows, samples: int) -> None:
        self.recording = recording
        # TensorFlow said so: it does not where a step raises.
        self.ended = False
        self._windows = windows
        self._samples = samples
        self._steps = Steps(recording.mark)
        self._shipper = Shipper()
        self._metadata: list[Any] = []
        self._described = False
        # The step that runs shows the graphs that it runs.
        self._asked = False
        self._vigil: Vigil | None = None
        recording.before_finish(self._close)

    def created(self, session: Any, coord: Any) -> None:
        """Also called when a lost session is created anew."""
        graph = session.graph
        if not self._described:
            self._described = True
            # In the background: serialising a large graph takes tens of milliseconds.
            self._shipper.submit(
                lambda: self.recording.profile(Format.GRAPH_DEF, graph.as_graph_def().SerializeToString())
            )
        if self._vigil:
            self._vigil.end()
        # A session that closes joins its coordinator, also when a step raised; `end` was called before, if at all.
        self._vigil = Vigil(lambda: not coord.joined, self.recording.finish)

    def step_begins(self) -> Any:
        """Returns the options with which the step is to run, None for its own."""
        if not self._windows.open and not self.recording.paused and self._windows.wants_open():
            self._windows.opened(0.0)
        # The first step has its graph made; the second shows it, before any is traced.
        self._asked = self._steps.count == 1
        self._steps.begin(self._steps.count, traced=self._windows.open, samples=self._samples)
        if not self._windows.open and not self._asked:
            return None
        level = _v1.RunOptions.FULL_TRACE if self._windows.open else _v1.RunOptions.NO_TRACE
        return _v1.RunOptions(trace_level=level, output_partition_graphs=self._asked)

    def step_ended(self, metadata: Any) -> None:
        first = self._steps.count == 1
        if (seconds := self._steps.end(compilations=int(first))) is not None:
            self._windows.stepped(seconds, compiled=first)
        self._steps.flush()
        if self._asked:
            self._shipper.submit(lambda: self._ship_graphs(metadata), self._windows.spend)
        if self._windows.open:
            self._metadata.append(metadata)
            if self._windows.wants_close():
                self._close_window()

    def _ship_graphs(self, metadata: Any) -> None:
        """The shapes in them are known from what traced steps made."""
        if graphs := of_session(metadata):
            self.recording.profile(Format.RUN_METADATA, graphs)

    def _close_window(self) -> None:
        """Without a profiler to stop, a window costs its slower steps and what ships it."""
        metadata, self._metadata = self._metadata, []
        self._windows.closed()
        self._shipper.submit(lambda: self._ship(metadata), self._windows.shipped)

    def _ship(self, metadata: list[Any]) -> None:
        for one in metadata:
            one.ClearField("partition_graphs")
            self.recording.profile(Format.RUN_METADATA, one.SerializeToString())

    def _close(self) -> None:
        if not self.ended:
            self.recording.note("the training ended early: it raised, or was interrupted")
            _LOG.warning("the training ended early; what was measured until then is in %s", self.recording.path)
        if self._vigil:
            self._vigil.end()
        if self._metadata:
            self._close_window()
        self._steps.flush(whole=self.ended)
        self._shipper.close()


def _outermost(variables: list[str]) -> str | None:
    """The scope that most variables share: the model's name."""
    scopes = Counter(name.split("/", 1)[0] for name in variables if "/" in name)
    return scopes.most_common(1)[0][0] if scopes else None
