"""The operations of a TensorFlow program: its profiler, in windows of steps, and the graphs that it runs."""

from __future__ import annotations

from collections.abc import Sequence

from smaragdine.daemon.messages import Format
from smaragdine.frameworks.tensorflow.eager import Scopes
from smaragdine.frameworks.tensorflow.executed import Collection, executed, is_known
from smaragdine.frameworks.tensorflow.functions import compiles_by_xla, graph_def
from smaragdine.frameworks.tensorflow.profiler import Profiler
from smaragdine.frameworks.tensorflow.program import Program
from smaragdine.frameworks.tensorflow.shapes import shaped
from smaragdine.recording.channel import Channel
from smaragdine.training.tracer import Closed, Job

_COMPILED_BEFORE = "the step was compiled before this recording began, or while another collected graphs"


class TensorFlowTracer:
    """A `Tracer` of Keras models and compiled functions; graphs are collected from its making on."""

    def __init__(self, channel: Channel, program: Program, *, eager: bool | None = None) -> None:
        """`eager`: layers may run operation by operation; by default as the program says."""
        self._channel = channel
        self._program = program
        may_be_eager = program.is_eager() if eager is None else eager
        self._profiler = Profiler(channel, Scopes(program) if may_be_eager else None)
        self._collection: Collection | None = Collection()
        self._traces = program.traces()
        # Sizes that batches had.
        self._batches: set[int] = set()
        self._graphs: list[bytes] = []
        self._complete = False
        self._described = -1

    def open(self) -> bool:
        self._profiler.start()
        return True

    def settle(self) -> None:
        """A step returns when its work is done."""

    def close(self) -> Closed:
        return self._profiler.close()

    def compilations(self, batch: int) -> int:
        traces = self._program.traces()
        compiled, self._traces = max(traces - self._traces, 0), traces
        if batch not in self._batches:
            # XLA compiles a function anew for each size of its arguments.
            compiled += bool(self._batches) and self._program.uses_xla()
            self._batches.add(batch)
        return compiled

    def first_step_ended(self) -> bool:
        if self._collection is None:
            return False
        self._collection.gather()
        return True

    def describe(self) -> Sequence[Job]:
        collection, self._collection = self._collection, None
        if collection is None:
            return ()
        metadata = collection.take()
        return self._tell_model, lambda: self._tell_graphs(metadata)

    def conclude(self) -> Sequence[Job]:
        return (self._conclude,)

    def _tell_model(self) -> None:
        self._described = self._program.traces()
        if self._program.known:
            self._channel.model(self._program.described())

    def _tell_graphs(self, metadata: bytes) -> None:
        self._graphs, self._complete = executed(metadata, self._program.functions())
        for graph in self._graphs:
            self._channel.profile(Format.RUN_METADATA, graph)

    def _conclude(self) -> None:
        """What can wait for the end: shapes, and what was compiled meanwhile."""
        if self._program.traces() != self._described:
            self._tell_model()
        self._fall_back()
        # The last batch of an epoch may be smaller.
        batch = max(self._batches, default=0) // self._program.replicas()
        shapes = [known for graph in self._graphs if (known := shaped(graph, batch))]
        for known in shapes:
            self._channel.profile(Format.RUN_METADATA, known)
        if self._graphs and not shapes:
            self._channel.note("the shapes in the executed graph are not known, and so most FLOPs are not")

    def _fall_back(self) -> None:
        """Of functions that TensorFlow did not show: what another recording saw, or what they were traced as."""
        if not self._complete:
            seen, self._complete = executed(b"", self._program.functions())
            for graph in seen:
                self._channel.profile(Format.RUN_METADATA, graph)
            self._graphs += seen
        untold = [(function, traced) for function in self._program.untold(is_known) if (traced := graph_def(function))]
        for _, definition in untold:
            self._channel.profile(Format.GRAPH_DEF, definition)
        # Beside one that was shown, others may be parts of it.
        for by_xla in set() if self._complete else {compiles_by_xla(function) for function, _ in untold}:
            why = "XLA compiled the step" if by_xla else _COMPILED_BEFORE
            self._channel.note(f"{why}: its graph is known as it was traced, not as TensorFlow's optimiser left it")
