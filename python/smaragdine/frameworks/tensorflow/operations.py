"""The operations of a TensorFlow program: traced in windows of its steps, and told by the graphs that it runs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from smaragdine.daemon.messages import Format
from smaragdine.frameworks.tensorflow.eager import Scopes
from smaragdine.frameworks.tensorflow.executed import Collection, executed, is_known
from smaragdine.frameworks.tensorflow.functions import compiles_by_xla, graph_def
from smaragdine.frameworks.tensorflow.profiler import Profiler
from smaragdine.frameworks.tensorflow.program import Program
from smaragdine.frameworks.tensorflow.shapes import shaped
from smaragdine.training.shipper import Shipper

if TYPE_CHECKING:
    from smaragdine.recording.recording import Recording
    from smaragdine.training.window import Windows


_COMPILED_BEFORE = "the step was compiled before this recording began, or while another collected graphs"


class Operations:
    """Told of every step's begin and end on the thread that runs them; what takes long is done in the background."""

    def __init__(self, recording: Recording, windows: Windows, program: Program, *, eager: bool | None = None) -> None:
        """`eager`: layers may run operation by operation; by default as the program says."""
        self._recording = recording
        self._windows = windows
        self._program = program
        self._shipper = Shipper()
        may_be_eager = program.is_eager() if eager is None else eager
        self._profiler = Profiler(recording, windows, self._shipper, Scopes(program) if may_be_eager else None)
        self._collection: Collection | None = Collection()
        self._traces = program.traces()
        # Sizes that batches had.
        self._batches: set[int] = set()
        self._steps = 0
        self._graphs: list[bytes] = []
        self._complete = False
        self._described = -1

    def step_begins(self) -> bool:
        """A step is about to begin; returns whether it is traced."""
        if not self._profiler.tracing and not self._recording.paused and self._windows.wants_open():
            # What the program is made of is known once it has run, and told before the first window.
            if self._steps:
                self._take()
            self._profiler.start()
        return self._profiler.tracing

    def compiled(self, batch: int = 0) -> int:
        """How many functions the step that ends now compiled; its batches had `batch` examples each, 0: unknown."""
        traces = self._program.traces()
        compiled, self._traces = max(traces - self._traces, 0), traces
        if batch not in self._batches:
            # XLA compiles a function anew for each size of its arguments.
            compiled += bool(self._batches) and self._program.uses_xla()
            self._batches.add(batch)
        return compiled

    def step_ended(self, seconds: float, compiled: int) -> None:
        """A step took so long, and compiled so many functions."""
        self._steps += 1
        self._windows.stepped(seconds, compiled=compiled > 0)
        if self._windows.wants_close():
            self._profiler.stop_soon()
        if self._steps == 1 and self._collection and not self._profiler.tracing:
            with self._paid():
                self._collection.gather()

    def pause(self) -> None:
        """No step runs now: an open window closes."""
        self._profiler.stop()

    def close(self) -> None:
        """Waits until all that is known was sent."""
        self._profiler.stop()
        self._take()
        if self._steps:
            self._shipper.submit(self._conclude)
        self._shipper.close()

    def _take(self) -> None:
        collection, self._collection = self._collection, None
        if collection is None:
            return
        with self._paid():
            metadata = collection.take()
        if self._steps:
            self._shipper.submit(self._tell_model, self._windows.spend)
            self._shipper.submit(lambda: self._tell_graphs(metadata), self._windows.spend)

    @contextmanager
    def _paid(self) -> Iterator[None]:
        """Around what takes the training's time."""
        began = time.monotonic_ns()
        yield
        ended = time.monotonic_ns()
        self._recording.profiling(began, ended)
        self._windows.spend((ended - began) / 1e9)

    def _tell_model(self) -> None:
        self._described = self._program.traces()
        if self._program.known:
            self._recording.model(self._program.described())

    def _tell_graphs(self, metadata: bytes) -> None:
        self._graphs, self._complete = executed(metadata, self._program.functions())
        for graph in self._graphs:
            self._recording.profile(Format.RUN_METADATA, graph)

    def _conclude(self) -> None:
        """What can wait for the end: shapes, and what was compiled meanwhile."""
        if self._program.traces() != self._described:
            self._tell_model()
        self._fall_back()
        # The last batch of an epoch may be smaller.
        batch = max(self._batches, default=0) // self._program.replicas()
        shapes = [known for graph in self._graphs if (known := shaped(graph, batch))]
        for known in shapes:
            self._recording.profile(Format.RUN_METADATA, known)
        if self._graphs and not shapes:
            self._recording.note("the shapes in the executed graph are not known, and so most FLOPs are not")

    def _fall_back(self) -> None:
        """Of functions that TensorFlow did not show: what another recording saw, or what they were traced as."""
        if not self._complete:
            seen, self._complete = executed(b"", self._program.functions())
            for graph in seen:
                self._recording.profile(Format.RUN_METADATA, graph)
            self._graphs += seen
        untold = [(function, traced) for function in self._program.untold(is_known) if (traced := graph_def(function))]
        for _, definition in untold:
            self._recording.profile(Format.GRAPH_DEF, definition)
        # Beside one that was shown, others may be parts of it.
        for by_xla in set() if self._complete else {compiles_by_xla(function) for function, _ in untold}:
            why = "XLA compiled the step" if by_xla else _COMPILED_BEFORE
            self._recording.note(f"{why}: its graph is known as it was traced, not as TensorFlow's optimiser left it")
