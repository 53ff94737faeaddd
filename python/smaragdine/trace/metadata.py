"""What `trace.json` says about a recording: host, domains, sources, options, coverage."""

from __future__ import annotations

import errno
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from smaragdine.accounts.domain import Domain
from smaragdine.accounts.energy import MEASURED, MODELLED
from smaragdine.accounts.extent import Extent
from smaragdine.accounts.machine import Hardware, Host
from smaragdine.errors import TraceError, changed, damaged
from smaragdine.files import regular
from smaragdine.trace.checksum import Checksum
from smaragdine.trace.metric import Metric
from smaragdine.trace.program import Program
from smaragdine.trace.seal import CHECKSUMS, broken
from smaragdine.trace.shape import shaped

SCHEMA_VERSION = 1

STATES = ("recording", "complete", "cut")
# What a recording writes first, before its daemon has told it anything.
_CLAIMED = {"state": "recording"}
_NOT_A_TRACE = "name the directory that a recording wrote; it holds trace.json"
# Differences of instants stay within 64 bits.
_LATEST_NS = 2**62
_MOST_RANKS = 10**9


@dataclass(frozen=True, slots=True)
class Sensor:
    """How one register behaved; None where the recording does not tell."""

    domain: str
    update_ns: int | None = None
    read_ns: int | None = None
    lag_ns: int | None = None
    lag_error_ns: int | None = None
    window_ns: int | None = None


@dataclass(frozen=True, slots=True)
class SourceReport:
    """How well one source was sampled."""

    name: str
    period_ns: int = 0
    measured_period_ns: int | None = None
    ticks: int = 0
    missed_ticks: int = 0
    failed_reads: int = 0
    lateness_p50_ns: int | None = None
    lateness_p99_ns: int | None = None
    cpu_s: float | None = None
    sensors: tuple[Sensor, ...] = ()


@dataclass(frozen=True, slots=True)
class RecordingOptions:
    """What the recording was asked for, and by whom."""

    period_ns: int | None = None
    keep_all: bool = False
    edge_lock: bool | None = None
    application_pid: int | None = None
    daemon_pid: int | None = None
    uid: int | None = None


@dataclass(frozen=True, slots=True)
class ClockChange:
    """The wall clock was set by `step_ns`, or the machine was suspended for `suspended_ns`."""

    at_ns: int
    step_ns: int | None = None
    suspended_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Deconvolution:
    """What came of one domain; None where it was solved."""

    refused: str | None = None


@dataclass(frozen=True, slots=True)
class RecordedCoverage:
    """How much of the recording is broken down."""

    steps: int | None = None
    traced_steps: int | None = None
    steps_s: float | None = None
    traced_s: float | None = None
    executed_operations: int | None = None
    deconvolution: Mapping[str, Deconvolution] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Metadata:
    """`trace.json`; `raw` holds all of it, fields that this version does not know included."""

    state: str
    name: str
    start_ns: int
    domains: tuple[Domain, ...]
    raw: Mapping[str, Any] = field(repr=False)
    checksums: Mapping[str, Checksum] | None = field(repr=False)
    """By table; None where an earlier version wrote the trace, which held none."""
    end_ns: int | None = None
    program_end_ns: int | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    host: Host = field(default_factory=Host)
    hardware: Hardware = field(default_factory=Hardware)
    software: Mapping[str, str] = field(default_factory=dict)
    devices: tuple[str, ...] = ()
    sources: tuple[SourceReport, ...] = ()
    share_source: str | None = None
    share_tick_ns: int | None = None
    options: RecordingOptions = field(default_factory=RecordingOptions)
    coverage: RecordedCoverage = field(default_factory=RecordedCoverage)
    clock_changes: tuple[ClockChange, ...] = ()
    hidden_operations: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    program: Program | None = None
    metrics: tuple[Metric, ...] = ()
    metrics_cpu_s: float | None = None

    @classmethod
    def read(cls, directory: Path, *, as_it_is: bool = False) -> Metadata:
        """Reads `directory`/trace.json; errors are TraceError and name the file.

        `as_it_is`: also where its fields are not those that were sealed.
        """
        text = _text(directory)
        try:
            raw = json.loads(text, parse_float=_finite, parse_constant=_finite)
            if not isinstance(raw, dict):
                raise ValueError("it is no object")
        except (ValueError, OverflowError, RecursionError) as error:
            raise damaged(directory, f"trace.json is no JSON ({error})") from None
        if raw == _CLAIMED:
            raise TraceError(
                f"the trace {directory} holds nothing yet: its recording has only just begun, or died as it began",
                "ask again in a second",
            )
        version = raw.get("schema_version")
        if version is not None and version != SCHEMA_VERSION:
            raise TraceError(
                f"the trace {directory} has layout version {version}; this smaragdine reads version {SCHEMA_VERSION}",
                "read it with the smaragdine that wrote it, or update smaragdine",
            )
        try:
            if not as_it_is and (problem := broken(raw)):
                raise changed(directory, "trace.json", problem)
            return cls._from_json(raw, directory)
        except (ValueError, TypeError, AttributeError, OverflowError, RecursionError) as error:
            raise damaged(directory, f"trace.json lacks or misshapes something: {error}") from None

    @classmethod
    def _from_json(cls, raw: Mapping[str, Any], directory: Path) -> Metadata:
        if "schema_version" not in raw:
            raise ValueError("no schema_version")
        told = raw.get(CHECKSUMS)
        checksums = None if told is None else {table: Checksum.of(one) for table, one in told.items()}
        name = raw.get("name") or directory.resolve().name
        metadata = shaped(cls, {**raw, "name": name}, raw=raw, checksums=checksums)
        metadata._check()
        return metadata

    def _check(self) -> None:
        """Raises ValueError where no recording can have said so."""
        if self.state not in STATES:
            raise ValueError(f"state {self.state!r}")
        names = [domain.name for domain in self.domains]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise ValueError(f"domain {twice!r} twice")
        for domain in self.domains:
            if domain.basis not in (MEASURED, MODELLED):
                raise ValueError(f"basis {domain.basis!r}")
        end_ns = self.start_ns if self.end_ns is None else self.end_ns
        if not -_LATEST_NS < self.start_ns <= end_ns < _LATEST_NS:
            raise ValueError(f"start_ns {self.start_ns}, end_ns {end_ns}")
        if self.program_end_ns is not None and not -_LATEST_NS < self.program_end_ns < _LATEST_NS:
            raise ValueError(f"program_end_ns {self.program_end_ns}")

    @property
    def extent(self) -> Extent:
        return Extent(self.state, self.start_ns, self.end_ns, self.program_end_ns)

    @property
    def duration_s(self) -> float | None:
        """Wall-clock seconds of the recording; None while it has no end."""
        return self.extent.duration_s

    @property
    def program_s(self) -> float | None:
        """Seconds that the program ran for; see `Extent`."""
        return self.extent.program_s

    @property
    def cut(self) -> str | None:
        """That the recording was cut, and how much of the run is missing; None where its program ended it."""
        return self.extent.cut

    @property
    def ranks(self) -> int:
        """How many processes' steps it holds: more than one in a job's."""
        options = self.raw.get("options")
        merged = options.get("merged") if isinstance(options, dict) else None
        ranks = merged.get("ranks") if isinstance(merged, dict) else None
        return ranks if isinstance(ranks, int) and 0 < ranks < _MOST_RANKS else 1

    @property
    def counted(self) -> tuple[Domain, ...]:
        return tuple(domain for domain in self.domains if domain.counted)

    @property
    def modelled(self) -> bool:
        """Power was modelled and nothing was measured: every view has to say so."""
        bases = {domain.basis for domain in self.counted}
        return bases == {MODELLED}

    @property
    def refused(self) -> tuple[tuple[str, str], ...]:
        """Counted domains that could not be deconvolved, each with the reason; none before that was tried."""
        told = self.coverage.deconvolution.items()
        return tuple((name, solved.refused) for name, solved in told if solved.refused is not None)

    def domain(self, name: str) -> Domain | None:
        return next((domain for domain in self.domains if domain.name == name), None)


def _text(directory: Path) -> bytes:
    path = directory / "trace.json"
    try:
        return regular.read(path)
    except FileNotFoundError:
        what = "holds no trace.json" if directory.is_dir() else "does not exist"
        raise TraceError(f"{directory} is not a trace: it {what}", _NOT_A_TRACE) from None
    except NotADirectoryError:
        raise TraceError(f"{directory} is not a trace: it is a file", _NOT_A_TRACE) from None
    except IsADirectoryError:
        raise damaged(directory, "trace.json: it is no file of bytes") from None
    except OSError as error:
        if error.errno in (errno.EINVAL, errno.EFBIG):
            raise damaged(directory, f"trace.json: {error.strerror}") from None
        raise TraceError(f"cannot read {path}: {error.strerror}") from None


def _finite(text: str) -> float:
    """JSON has no NaN and no infinity, and no double holds 1e999."""
    if not math.isfinite(number := float(text)):
        raise ValueError(f"{text} is no number that a trace holds")
    return number
