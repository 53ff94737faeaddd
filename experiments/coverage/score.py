"""How much of a trace's operation time leads back to the model's own layers."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from smaragdine import Trace

# Where an operation is no layer's and yet in its place.
_ELSEWHERE = ("loss", "metrics", "data", "optimizer")
_NOWHERE = ("runtime", "unknown")


@dataclass(frozen=True)
class Unplaced:
    """Operation time that leads to no layer of the model, and should."""

    raw_name: str
    type: str
    layer: str
    phase: str
    time_s: float


@dataclass(frozen=True)
class Score:
    """Shares of time are None where there is no such time."""

    steps: int
    traced: int
    time_s: float
    """All operation time of the traced steps, summed over lanes."""
    own: float | None
    """Of the forward and backward pass, in the model's own layers."""
    own_forward: float | None
    """Of the forward pass alone."""
    own_backward: float | None
    """Of the backward pass alone."""
    outermost: float | None
    """Of what is in own layers, in the model itself and in no layer within it."""
    nowhere: float | None
    """Of all operation time, in `runtime` and `unknown`."""
    told: float | None
    """Of all operation time, in a pass or the loss: forward, backward, optimizer or loss are told apart."""
    qtns: int
    hidden: int
    """Operations of the executed graph that the profiler left out."""
    unplaced: tuple[Unplaced, ...]
    """The longest first."""


def score(trace: Trace, layers: Collection[str]) -> Score:
    """Scores a trace against the layers that its model says it has.

    To a pass belongs what the trace says is of it, and, since it might be of any, what has no place and no pass:
    a namer that left everything unknown would otherwise score best.
    """
    rows = trace.sql(
        "select raw_name, type, layer, phase, sum(end_ns - start_ns) / 1e9 from events join ops using (op) "
        "where kind <> 'wait' group by all order by all"
    ).fetchall()
    own = [row for row in rows if row[2] in layers and row[3] in ("forward", "backward")]
    lost = [row for row in rows if row not in own and row[2] not in _ELSEWHERE and row[3] != "optimizer"]
    lost.sort(key=lambda row: -row[4])
    forward, backward = _time(own, "forward"), _time(own, "backward")
    return Score(
        steps=len(trace.steps),
        traced=sum(step.traced for step in trace.steps),
        time_s=_time(rows),
        own=_share(_time(own), _time(own) + _time(lost)),
        own_forward=_share(forward, forward + _time(lost, "forward", "other")),
        own_backward=_share(backward, backward + _time(lost, "backward")),
        outermost=_share(sum(row[4] for row in own if "/" not in row[2]), _time(own)),
        nowhere=_share(sum(row[4] for row in rows if row[2] in _NOWHERE), _time(rows)),
        told=_share(sum(row[4] for row in rows if row[3] != "other" or row[2] == "loss"), _time(rows)),
        qtns=trace.sql("select count(distinct qtn) from events join ops using (op)").fetchall()[0][0],
        hidden=len(trace.metadata.hidden_operations),
        unplaced=tuple(Unplaced(*row) for row in lost),
    )


def _time(rows: list[tuple[str, str, str, str, float]], *phases: str) -> float:
    return sum(row[4] for row in rows if not phases or row[3] in phases)


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole else None
