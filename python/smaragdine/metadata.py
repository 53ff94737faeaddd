"""What `trace.json` says about a recording: host, domains, sources, options, coverage."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from smaragdine.energy import MEASURED, MODELLED
from smaragdine.errors import SmaragdineError
from smaragdine.quantity import seconds

SCHEMA_VERSION = 1

_T = TypeVar("_T")

_NOT_A_TRACE = "name the directory that a recording wrote; it holds trace.json"
_DAMAGED = "`smaragdine recover OUTPUT` rebuilds a trace that a crash cut"


@dataclass(frozen=True, slots=True)
class Domain:
    """One energy register."""

    name: str
    device: str
    parent: str | None = None
    counted: bool = True
    not_counted_because: str | None = None
    basis: str = MEASURED
    source: str = ""
    static_w: float | None = None
    scope: str = ""


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
class Source:
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
class Metadata:
    """`trace.json`; `raw` holds all of it, fields that this version does not know included."""

    state: str
    name: str
    labels: Mapping[str, str]
    start_ns: int
    end_ns: int | None
    program_end_ns: int | None
    host: Mapping[str, str]
    hardware: Mapping[str, Any]
    software: Mapping[str, str]
    devices: tuple[str, ...]
    domains: tuple[Domain, ...]
    sources: tuple[Source, ...]
    share_source: str | None
    share_tick_ns: int | None
    options: Mapping[str, Any]
    hidden_operations: tuple[str, ...]
    warnings: tuple[str, ...]
    raw: Mapping[str, Any] = field(repr=False)

    @classmethod
    def read(cls, directory: Path) -> Metadata:
        """Reads `directory`/trace.json; errors name the file and end a command with exit code 2."""
        path = directory / "trace.json"
        try:
            raw = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            what = "holds no trace.json" if directory.is_dir() else "does not exist"
            raise SmaragdineError(f"{directory} is not a trace: it {what}", _NOT_A_TRACE, exit_code=2) from None
        except NotADirectoryError:
            raise SmaragdineError(f"{directory} is not a trace: it is a file", _NOT_A_TRACE, exit_code=2) from None
        except OSError as error:
            raise SmaragdineError(f"cannot read {path}: {error.strerror}", exit_code=2) from None
        except (UnicodeDecodeError, json.JSONDecodeError) as error:
            raise SmaragdineError(
                f"the trace {directory} is damaged: trace.json is no JSON ({error})", _DAMAGED, 2
            ) from None
        try:
            return cls._from_json(raw, directory)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise SmaragdineError(
                f"the trace {directory} is damaged: trace.json lacks or misshapes {error}", _DAMAGED, exit_code=2
            ) from None

    @classmethod
    def _from_json(cls, raw: Mapping[str, Any], directory: Path) -> Metadata:
        version = raw["schema_version"]
        if version != SCHEMA_VERSION:
            raise SmaragdineError(
                f"the trace {directory} has layout version {version}; this smaragdine reads version {SCHEMA_VERSION}",
                "read it with the smaragdine that wrote it, or update smaragdine",
                exit_code=2,
            )
        return cls(
            state=raw["state"],
            name=raw.get("name") or directory.resolve().name,
            labels=raw.get("labels") or {},
            start_ns=int(raw["start_ns"]),
            end_ns=raw.get("end_ns"),
            program_end_ns=None if raw.get("program_end_ns") is None else int(raw["program_end_ns"]),
            host=raw.get("host") or {},
            hardware=raw.get("hardware") or {},
            software=raw.get("software") or {},
            devices=tuple(raw.get("devices") or ()),
            domains=tuple(_known(Domain, domain) for domain in raw["domains"]),
            sources=tuple(
                _known(Source, {**source, "sensors": tuple(_known(Sensor, one) for one in source.get("sensors") or ())})
                for source in raw.get("sources") or ()
            ),
            share_source=raw.get("share_source"),
            share_tick_ns=raw.get("share_tick_ns"),
            options=raw.get("options") or {},
            hidden_operations=tuple(raw.get("hidden_operations") or ()),
            warnings=tuple(raw.get("warnings") or ()),
            raw=raw,
        )

    @property
    def duration_s(self) -> float | None:
        """Wall-clock seconds of the recording; None while it has no end."""
        return None if self.end_ns is None else (self.end_ns - self.start_ns) / 1e9

    @property
    def program_s(self) -> float | None:
        """Seconds that the program ran for; None where a recording was cut, and how long it went on is not known."""
        if self.state != "cut" or self.duration_s is None:
            return self.duration_s
        if self.program_end_ns is None:
            return None
        return max(self.duration_s, (self.program_end_ns - self.start_ns) / 1e9)

    @property
    def cut(self) -> str | None:
        """That the recording was cut, and how much of the run is missing; None where its program ended it."""
        if self.state != "cut":
            return None
        if self.duration_s is None:
            return "cut: the recording did not end, and how long it lasted is not known"
        if self.program_s is None:
            recorded = seconds(self.duration_s)
            return f"cut: {recorded} were recorded; how long the program went on, unmeasured, is not known"
        missing_s = self.program_s - self.duration_s
        if missing_s <= 0:
            return "cut: the program ended without ending its recording; up to there nothing is missing"
        return f"cut: the last {seconds(missing_s)} of {seconds(self.program_s)} are missing: nobody measured them"

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
        told = (self.raw.get("coverage") or {}).get("deconvolution") or {}
        return tuple((name, solved["refused"]) for name, solved in told.items() if "refused" in solved)

    def domain(self, name: str) -> Domain | None:
        return next((domain for domain in self.domains if domain.name == name), None)


def _known(kind: type[_T], raw: Mapping[str, Any]) -> _T:
    """The fields of `raw` that `kind` has: a newer writer may add further ones."""
    return kind(**{name: raw[name] for name in kind.__dataclass_fields__ if name in raw})  # type: ignore[attr-defined]
