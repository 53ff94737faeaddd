"""The daemon's service, typed: protocol buffers and gRPC stop here."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import grpc

from smaragdine.accounts.domain import Domain
from smaragdine.accounts.energy import MEASURED
from smaragdine.daemon.address import Address
from smaragdine.daemon.messages import ClockPair, Stamped
from smaragdine.daemon.requests import Requests
from smaragdine.daemon.running import refusal
from smaragdine.errors import NotMeasuredError, SmaragdineError
from smaragdine.v1 import accountant_pb2 as pb
from smaragdine.v1 import trace_pb2
from smaragdine.v1.accountant_pb2_grpc import AccountantStub

PROTOCOL_VERSION = 1

# What decides which GPU is the framework's `GPU:0`, as this process has it now: NVIDIA's, AMD's, Intel's.
_CUDA = (
    "CUDA_VISIBLE_DEVICES",
    "CUDA_DEVICE_ORDER",
    "ROCR_VISIBLE_DEVICES",
    "HIP_VISIBLE_DEVICES",
    "ZE_AFFINITY_MASK",
)
_OPTIONS = [
    # Unix sockets have no authority; the default is the socket's path, percent-encoded, which HTTP/2 servers refuse.
    ("grpc.default_authority", "localhost"),
    ("grpc.max_receive_message_length", 64 << 20),
    # A trace is also fetched while the interpreter exits, when it starts no more threads.
    ("SingleThreadedUnaryStream", 1),
    ("grpc.enable_http_proxy", 0),
    # Where a crowd knocks at a shared daemon, an attempt can find its socket full, and the next one a place.
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.min_reconnect_backoff_ms", 50),
    ("grpc.max_reconnect_backoff_ms", 500),
]


@dataclass(frozen=True)
class Source:
    """A place where energy is read. Where it is not `available`, `problem` says why and `hint` what to do."""

    name: str
    available: bool
    problem: str | None
    hint: str | None
    domains: tuple[Domain, ...]


@dataclass(frozen=True)
class Description:
    """What a daemon can measure."""

    version: str
    sources: tuple[Source, ...]
    recordings: int
    state_dir: str
    cpu: str | None = None
    """Its model, as the kernel calls it."""
    gpus: tuple[str, ...] = ()
    """Their models, as the driver calls them, in the order of their devices."""

    @property
    def measured(self) -> tuple[Domain, ...]:
        """The domains that a sensor measures, counted or not."""
        return tuple(d for s in self.sources if s.available for d in s.domains if d.basis == MEASURED)


class Started(NamedTuple):
    """A recording that runs. Trace time is CLOCK_MONOTONIC + `realtime_offset_ns`."""

    recording: str
    start_ns: int
    realtime_offset_ns: int
    domains: tuple[Domain, ...]
    basis: str
    warning: str | None
    state_dir: str
    trace_json: str


class Stopped(NamedTuple):
    """What a recording came to."""

    end_ns: int
    readings: int
    events: int
    warnings: tuple[str, ...]


class Acknowledgement(NamedTuple):
    """Every message up to `acknowledged` is safe. `advice` is continue, pause, resume or stop."""

    acknowledged: int
    advice: str
    problem: str | None


class Piece(NamedTuple):
    """A piece of one of a trace's files."""

    path: str
    data: bytes
    last: bool


class Live(NamedTuple):
    """A running recording at one moment of trace time: watts over the last moment, joules since it started.

    Whose energy it was is known some tenths of a second later: up to `settled_ns`, of counted domains.
    """

    end_ns: int
    power_w: Mapping[str, float]
    energy_j: Mapping[str, float]
    settled_ns: int = 0
    """0: nothing is settled yet."""
    settled_j: Mapping[str, float] = MappingProxyType({})
    application_j: Mapping[str, float] = MappingProxyType({})
    unknown_j: Mapping[str, float] = MappingProxyType({})
    """What of `settled_j` nobody can tell whose it is; it is not in `application_j`."""
    domains: tuple[Domain, ...] = ()
    realtime_offset_ns: int = 0
    """Trace time is CLOCK_MONOTONIC + this."""
    pausable: bool = False
    pausing: bool = False
    """The training is asked to pause: it does before its next step."""
    paused: bool = False
    """It stands still."""


class StartOptions(NamedTuple):
    """How to record. `period_ns` 0 leaves the sampling period to the daemon."""

    name: str = ""
    period_ns: int = 0
    labels: Mapping[str, str] = MappingProxyType({})
    software: Mapping[str, str] = MappingProxyType({})
    require_measured: bool = False
    keep_all: bool = False


class Client:
    """A connection to the daemon that listens on `socket`. Every method raises `SmaragdineError`."""

    def __init__(self, socket: Path) -> None:
        self.socket = socket
        self._address = Address(socket)
        self._channel = grpc.insecure_channel(self._address.target, options=_OPTIONS)
        self._stub = AccountantStub(self._channel)

    def close(self) -> None:
        self._channel.close()
        self._address.close()

    def describe(self, timeout_s: float = 10.0) -> Description:
        """What can be measured. Refuses a daemon that speaks another version of the protocol.

        Waits for a place where the daemon is there and has none at the moment.
        """
        is_there = refusal(self.socket) is None
        with self._errors("ask", timeout_s):
            answer = self._stub.Describe(pb.DescribeRequest(), timeout=timeout_s, wait_for_ready=is_there)
        if answer.protocol_version != PROTOCOL_VERSION:
            raise SmaragdineError(
                f"the daemon on {self.socket} is smaragdined {answer.version or 'of an unknown version'} and speaks"
                f" protocol {answer.protocol_version}; this package speaks protocol {PROTOCOL_VERSION}",
                hint="install the same version on both sides and restart the daemon, "
                "or unset SMARAGDINE_SOCKET to use the daemon that came with this package",
            )
        sources = tuple(
            Source(s.name, s.available, s.problem or None, s.hint or None, tuple(map(_domain, s.domains)))
            for s in answer.sources
        )
        cpu, gpus = answer.cpu or None, tuple(answer.gpus)
        return Description(answer.version, sources, answer.recordings, answer.state_dir, cpu, gpus)

    def start(self, options: StartOptions, timeout_s: float = 30.0) -> Started:
        """Starts to measure the calling process and its descendants."""
        pair = ClockPair.now()
        request = pb.StartRequest(
            name=_text(options.name),
            period_ns=options.period_ns,
            labels={_text(key): _text(value) for key, value in options.labels.items()},
            require_measured=options.require_measured,
            keep_all=options.keep_all,
            clock=trace_pb2.ClockPair(realtime_ns=pair.realtime_ns, monotonic_ns=pair.monotonic_ns),
            software=options.software,
            environment={name: _text(os.environ[name]) for name in _CUDA if name in os.environ},
        )
        with self._errors("start a recording", timeout_s):
            answer = self._stub.Start(request, timeout=timeout_s)
        return Started(
            answer.recording,
            answer.start_ns,
            answer.realtime_offset_ns,
            tuple(map(_domain, answer.domains)),
            answer.basis,
            answer.warning or None,
            answer.state_dir,
            answer.trace_json,
        )

    def record(self, recording: str, messages: Iterable[Stamped]) -> Iterator[Acknowledgement]:
        """Sends messages as they come; ends once `messages` did and the last is acknowledged."""
        requests = Requests(recording)
        with self._errors("send to", None):
            for answer in self._stub.Record(filter(None, map(requests.encode_if_possible, messages))):
                advice = pb.RecordResponse.Advice.Name(answer.advice).removeprefix("ADVICE_").lower()
                yield Acknowledgement(answer.acknowledged, advice, answer.problem or None)

    def watch(self, recording: str, period_ns: int = 0) -> Iterator[Live]:
        """Power and energy by domain as they are read, at most once in `period_ns`; ends with the recording."""
        domains: tuple[Domain, ...] = ()
        realtime_offset_ns = 0
        with self._errors("watch a recording", None):
            for live in self._stub.Watch(pb.WatchRequest(recording=recording, period_ns=period_ns)):
                # Told once.
                domains = domains or tuple(map(_domain, live.domains))
                realtime_offset_ns = realtime_offset_ns or live.realtime_offset_ns
                yield Live(
                    live.end_ns,
                    dict(live.power_w),
                    dict(live.energy_j),
                    live.settled_ns,
                    dict(live.settled_j),
                    dict(live.application_j),
                    dict(live.unknown_j),
                    domains,
                    realtime_offset_ns,
                    live.pausable,
                    live.pausing,
                    live.paused,
                )

    def pause(self, recording: str, pause: bool, timeout_s: float = 10.0) -> None:
        """Has a training that can pause stand still before its next step, or go on."""
        doing = "pause the training" if pause else "let the training go on"
        with self._errors(doing, timeout_s):
            self._stub.Pause(pb.PauseRequest(recording=recording, pause=pause), timeout=timeout_s)

    def hold(self, recording: str, paused: Iterable[bool]) -> Iterator[bool]:
        """Tells whether the calling training stands still, and yields whether it is to; ends with the recording."""
        requests = (pb.HoldRequest(recording=recording, paused=one) for one in paused)
        with self._errors("hear whether to pause", None):
            for answer in self._stub.Hold(requests):
                yield answer.pause

    def stop(self, recording: str, timeout_s: float = 600.0) -> Stopped:
        """Ends a recording; returns once its trace is accounted."""
        with self._errors("stop a recording", timeout_s):
            answer = self._stub.Stop(pb.StopRequest(recording=recording), timeout=timeout_s)
        return Stopped(answer.end_ns, answer.readings, answer.events, tuple(answer.warnings))

    def fetch(self, recording: str, timeout_s: float = 600.0) -> Iterator[Piece]:
        """The files of a stopped recording, `trace.json` last; the daemon keeps them until `release`."""
        with self._errors("fetch a trace", timeout_s):
            for piece in self._stub.Fetch(pb.FetchRequest(recording=recording), timeout=timeout_s):
                yield Piece(piece.path, piece.data, piece.last)

    def release(self, recording: str, timeout_s: float = 30.0) -> None:
        """Lets the daemon forget a recording whose files are safe."""
        with self._errors("release a recording", timeout_s):
            self._stub.Release(pb.ReleaseRequest(recording=recording), timeout=timeout_s)

    @contextmanager
    def _errors(self, doing: str, timeout_s: float | None) -> Iterator[None]:
        try:
            yield
        except grpc.RpcError as error:
            raise _explained(error, doing, self.socket, timeout_s) from None


def _explained(error: grpc.RpcError, doing: str, socket: Path, timeout_s: float | None) -> SmaragdineError:
    """What a gRPC status means to a user. The daemon puts a hint on a line of its own."""
    status, details = error.code(), str(error.details() or "")
    message, _, hint = details.partition("\nhint: ")
    if status == grpc.StatusCode.UNAVAILABLE:
        return SmaragdineError(
            f"cannot {doing}: no daemon answers on {socket} ({message})",
            hint="the daemon has ended or the socket is stale; its log says why, and `smaragdine recover OUTPUT` "
            "rebuilds what it had measured",
        )
    if status == grpc.StatusCode.DEADLINE_EXCEEDED:
        return SmaragdineError(
            f"cannot {doing}: the daemon on {socket} did not answer within {timeout_s:g} s",
            hint="`smaragdine recover OUTPUT` rebuilds what it had measured",
        )
    if status == grpc.StatusCode.UNIMPLEMENTED:
        return SmaragdineError(
            f"cannot {doing}: what listens on {socket} is no accountant of this version",
            hint="check SMARAGDINE_SOCKET, or unset it",
        )
    if status == grpc.StatusCode.FAILED_PRECONDITION:
        return NotMeasuredError(
            message or "no energy sensor is readable",
            hint=hint or "`smaragdine doctor` tells how to measure; without --require-measured power is modelled",
        )
    return SmaragdineError(f"the daemon on {socket} could not {doing}: {message or status.name}", hint=hint or None)


def _text(text: str) -> str:
    """What the protocol can carry of names that come from files and the environment, which may be any bytes."""
    return text.encode(errors="replace").decode()


def _domain(domain: pb.Domain) -> Domain:
    return Domain(
        domain.name,
        domain.device,
        domain.parent or None,
        domain.counted,
        basis=domain.basis,
        source=domain.source,
        range_uj=domain.range_uj or None,
        not_counted_because=domain.not_counted_because or None,
    )
