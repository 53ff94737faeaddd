"""What a program tells the daemon while it is recorded.

Stamps are nanoseconds of the clock that the message names: `realtime` (CLOCK_REALTIME, what TensorFlow stamps) or
`monotonic` (CLOCK_MONOTONIC, `time.monotonic_ns()`).
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from enum import Enum
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

Clock = Literal["realtime", "monotonic"]
Kind = Literal["compute", "copy", "wait"]
_NONE: Mapping[str, Any] = MappingProxyType({})


class ClockPair(NamedTuple):
    """One instant on both clocks, so that the daemon can map either to trace time."""

    realtime_ns: int
    monotonic_ns: int

    @classmethod
    def now(cls) -> ClockPair:
        """The tightest of three brackets: a preemption between two reads would skew the pair."""
        brackets = []
        for _ in range(3):
            before = time.monotonic_ns()
            realtime = time.time_ns()
            after = time.monotonic_ns()
            brackets.append((after - before, realtime, before + (after - before) // 2))
        _, realtime, monotonic = min(brackets)
        return cls(realtime, monotonic)


class Event(NamedTuple):
    """One execution of one operation on one lane (thread or stream); a lane's events do not nest.

    `qtn` is the operation's qualified name, `encoder/layer_0/MatMul`. `layer`, `type`, `phase` and `flops` describe
    the operation; they are taken from its first event.
    """

    qtn: str
    start_ns: int
    end_ns: int
    device: str = "CPU:0"
    lane: int = 0
    kind: Kind = "compute"
    layer: str = ""
    type: str = ""
    phase: str = ""
    flops: float = 0.0
    correlation: int = 0


class Events(NamedTuple):
    """Events of one clock."""

    events: Sequence[Event]
    clock: Clock = "realtime"


class Step(NamedTuple):
    """One training, evaluation or prediction step that ended; stamps are monotonic."""

    step: int
    start_ns: int
    end_ns: int
    epoch: int = 0
    traced: bool = False
    samples: int = 0
    metrics: Mapping[str, float] = _NONE


class StepBatch(NamedTuple):
    """StepBatch that leave together."""

    steps: list[Step]


class Format(Enum):
    """Of a profiler's output."""

    XSPACE = "xspace"
    RUN_METADATA = "run_metadata"
    GRAPH_DEF = "graph_def"
    KINETO_JSON = "kineto_json"


class Profile(NamedTuple):
    """A piece of a profiler's own output, unparsed; pieces of one profile follow each other."""

    format: Format
    data: bytes
    last: bool


class ProfilingSpan(NamedTuple):
    """A stretch in which a profiler was being started or stopped; stamps are monotonic."""

    start_ns: int
    end_ns: int


class Span(NamedTuple):
    """A stretch that the program names itself; stamps are monotonic, counts 0 where unknown."""

    span: int
    name: str
    parent: int | None
    start_ns: int
    end_ns: int
    tokens: int = 0
    requests: int = 0


class Model(NamedTuple):
    """What leads operations' names back to the user's own layers.

    `captures` holds what the model's functions call the variables that they capture, and each one's path; `shared`,
    where several hold a layer, its further paths, and the one of them that is in `layer_paths`.
    """

    name: str
    layer_paths: Sequence[str] = ()
    variables: Sequence[str] = ()
    captures: Mapping[str, str] = _NONE
    shared: Mapping[str, str] = _NONE


class Note(NamedTuple):
    """A remark, kept with the trace for people to read."""

    text: str


class MetricValue(NamedTuple):
    """A value of a metric of the program's own, or the `problem` why it has none; the stamp is monotonic."""

    metric: str
    unit: str
    scope: str
    time_ns: int
    value: float
    problem: str = ""


class MetricValues(NamedTuple):
    """Those that were sampled together."""

    values: Sequence[MetricValue]


class Git(NamedTuple):
    """`dirty`: tracked files differ from the commit; None where that is not known."""

    commit: str
    dirty: bool | None = None


class Program(NamedTuple):
    """What runs: its words without secrets, of which commit, and the version of each Python package by name."""

    command: Sequence[str]
    git: Git | None = None
    packages: Mapping[str, str] = _NONE


class Labels(NamedTuple):
    """Labels of the trace that are known only now; they replace those of the same name."""

    labels: Mapping[str, str]


Message = Events | StepBatch | Profile | ProfilingSpan | Model | Note | MetricValues | Program | Labels | Span


class Stamped(NamedTuple):
    """A message with its number and the clocks at the moment it was made."""

    sequence: int
    clock: ClockPair
    message: Message
