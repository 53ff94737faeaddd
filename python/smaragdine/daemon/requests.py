"""Messages as the protocol's requests."""

from __future__ import annotations

import logging
from typing import Any

from smaragdine.daemon.messages import (
    Event,
    Events,
    Format,
    Labels,
    MetricValues,
    Model,
    Note,
    Profile,
    ProfilingSpan,
    Program,
    Span,
    Stamped,
    Step,
    StepBatch,
)
from smaragdine.v1 import accountant_pb2 as pb
from smaragdine.v1 import trace_pb2

_LOG = logging.getLogger("smaragdine")
_CLOCKS = {"realtime": trace_pb2.CLOCK_REALTIME, "monotonic": trace_pb2.CLOCK_MONOTONIC}
_KINDS = {"compute": trace_pb2.KIND_COMPUTE, "copy": trace_pb2.KIND_COPY, "wait": trace_pb2.KIND_WAIT}
_FORMATS = {
    Format.XSPACE: trace_pb2.Profile.FORMAT_XSPACE,
    Format.RUN_METADATA: trace_pb2.Profile.FORMAT_RUN_METADATA,
    Format.GRAPH_DEF: trace_pb2.Profile.FORMAT_GRAPH_DEF,
    Format.KINETO_JSON: trace_pb2.Profile.FORMAT_KINETO_JSON,
}


class Requests:
    """Encodes the messages of one stream; numbers its operations, each of which is described once."""

    def __init__(self, recording: str) -> None:
        self._recording = recording
        self._ops: dict[str, int] = {}

    def encode_if_possible(self, stamped: Stamped) -> pb.RecordRequest | None:
        """None where a program's own values are none that the protocol has: one message is lost, and no more."""
        try:
            return self.encode(stamped)
        except (TypeError, ValueError) as error:
            _LOG.warning("something was left out of the recording: %s", error)
            return None

    def encode(self, stamped: Stamped) -> pb.RecordRequest:
        pair = stamped.clock
        request = pb.RecordRequest(
            recording=self._recording,
            sequence=stamped.sequence,
            clock=trace_pb2.ClockPair(realtime_ns=pair.realtime_ns, monotonic_ns=pair.monotonic_ns),
        )
        match stamped.message:
            case Events() as batch:
                self._fill(request.events, batch)
            case StepBatch(steps):
                request.steps.steps.extend(map(_step, steps))
            case Profile(format, data, last):
                request.profile.CopyFrom(trace_pb2.Profile(format=_FORMATS[format], data=data, last=last))
            case ProfilingSpan(start_ns, end_ns):
                request.profiling.CopyFrom(
                    trace_pb2.ProfilingSpan(clock=trace_pb2.CLOCK_MONOTONIC, start_ns=start_ns, end_ns=end_ns)
                )
            case Model(name, layer_paths, variables, captures, shared):
                model = trace_pb2.Model(name=name, layer_paths=layer_paths, variables=variables)
                model.captures.update(captures)
                model.shared.update(shared)
                request.model.CopyFrom(model)
            case Note(text):
                request.note.CopyFrom(trace_pb2.Note(text=text))
            case MetricValues(values):
                request.metrics.clock = trace_pb2.CLOCK_MONOTONIC
                for value in values:
                    request.metrics.values.add(**{key: _sent(one) for key, one in value._asdict().items()})
            case Span() as span:
                request.span.CopyFrom(_span(span))
            case Program() as program:
                request.program.CopyFrom(_program(program))
            case Labels(labels):
                request.labels.CopyFrom(trace_pb2.Labels(labels=labels))
        return request

    def _fill(self, batch: trace_pb2.EventBatch, events: Events) -> None:
        batch.clock = _CLOCKS[events.clock]
        for event in events.events:
            op = self._ops.get(event.qtn)
            if op is None:
                op = self._ops[event.qtn] = len(self._ops)
                batch.ops.append(_op(op, event))
            batch.events.add(
                op=op,
                device=event.device,
                lane=event.lane,
                kind=_KINDS[event.kind],
                start_ns=event.start_ns,
                end_ns=event.end_ns,
                correlation=event.correlation,
            )


def _program(program: Program) -> trace_pb2.Program:
    sent = trace_pb2.Program(command=map(_sent, program.command))
    sent.packages.update({_sent(name): _sent(version) for name, version in program.packages.items()})
    if program.git is not None:
        sent.git.commit = program.git.commit
        if program.git.dirty is not None:
            sent.git.dirty = program.git.dirty
    return sent


def _sent(value: Any) -> Any:
    """What the protocol can carry of words that come from files and command lines, which may be any bytes."""
    return value.encode(errors="replace").decode() if isinstance(value, str) else value


def _step(step: Step) -> trace_pb2.Step:
    return trace_pb2.Step(
        step=step.step,
        epoch=step.epoch,
        clock=trace_pb2.CLOCK_MONOTONIC,
        start_ns=step.start_ns,
        end_ns=step.end_ns,
        traced=step.traced,
        samples=step.samples,
        metrics=step.metrics,
    )


def _op(number: int, event: Event) -> trace_pb2.Op:
    return trace_pb2.Op(
        op=number,
        qtn=event.qtn,
        layer=event.layer,
        type=event.type,
        phase=event.phase,
        raw_name=event.qtn,
        flops=event.flops,
    )


def _span(span: Span) -> trace_pb2.NamedSpan:
    number, name, parent, start_ns, end_ns, tokens, requests = span
    told = trace_pb2.NamedSpan(
        span=number,
        name=_sent(name),
        clock=trace_pb2.CLOCK_MONOTONIC,
        start_ns=start_ns,
        end_ns=end_ns,
        tokens=tokens,
        requests=requests,
    )
    if parent is not None:
        told.parent = parent
    return told
