"""The traces that a job consists of: whose each is, and what of a job is not there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePath

import numpy as np

from smaragdine.accounts.watched import Watched
from smaragdine.errors import TraceError, UsageError
from smaragdine.files.ranks import is_job, place, placed, places
from smaragdine.trace.accounting import Accounting
from smaragdine.trace.metadata import Metadata
from smaragdine.trace.readings import Readings, readings_by_domain
from smaragdine.trace.tables import TABLES_IN_ORDER, Tables

_ACCOUNTED = ("readings", "ledger")


@dataclass(frozen=True)
class Part:
    """One process's trace. `host` is what its launcher called the machine; `attempt` counts from 1."""

    path: Path
    metadata: Metadata
    host: str
    rank: int
    attempt: int = 1

    def tables(self, *attached: str) -> Tables:
        """Those that are named, or all. Whoever opens them closes them: a job may have ten thousand parts."""
        return Tables(self.path, self.metadata.checksums, attached=attached or TABLES_IN_ORDER, threads=1)

    @contextmanager
    def accounting(self, *attached: str) -> Iterator[Accounting]:
        """What it was accounted to, by the tables that are named beside those that this takes."""
        with closing(self.tables(*dict.fromkeys((*attached, *_ACCOUNTED)))) as tables:
            yield Accounting(self.metadata, tables)

    @cached_property
    def watched(self) -> dict[str, Watched]:
        """Its readings by domain, with the shares that its own accounting went by."""
        with closing(self.tables("readings")) as tables:
            return {name: _watched(own) for name, own in readings_by_domain(tables, ()).items()}

    def forget(self) -> None:
        """Gives back the memory of its readings."""
        self.__dict__.pop("watched", None)

    @property
    def folder(self) -> PurePath:
        """Where it lies within a job's folder."""
        return place(self.host, self.rank, self.attempt)

    @property
    def label(self) -> str:
        return _label(self.host, self.rank, self.attempt)


@dataclass(frozen=True, slots=True)
class Found:
    """The parts of a job, by rank and attempt, and what else is to be told of them."""

    parts: tuple[Part, ...]
    absent: tuple[str, ...] = ()


def within(folder: Path) -> Found:
    """The parts of a job's folder, `host=…/rank=…` and `attempt=…` below.

    Raises `TraceError` where one is damaged or none is finished, `UsageError` where they are of different jobs.
    """
    found: list[Part] = []
    absent: list[str] = []
    for path in sorted(places(folder)):
        host, rank, attempt = placed(path)
        name = _label(host, rank, attempt)
        if not (path / "trace.json").exists():
            absent.append(f"{name} recorded nothing: {path} holds no trace")
            continue
        metadata = Metadata.read(path)
        if metadata.state == "recording":
            absent.append(
                f"{name} is still recording, or was cut off, and is not in these sums; `smaragdine recover {path}` "
                "rebuilds what it left"
            )
            continue
        found.append(Part(path, metadata, host, rank, attempt))
    if not found:
        raise TraceError(f"no trace below {folder} is finished", "; ".join(absent) or None)
    return _checked(found, absent)


def named(traces: Iterable[Path]) -> Found:
    """The parts that a user names: folders of jobs, or traces, whose labels tell host and rank, or that are numbered.

    Raises as `within`.
    """
    found: list[Part] = []
    absent: list[str] = []
    for path in traces:
        if is_job(path):
            job = within(path)
            found += job.parts
            absent += job.absent
            continue
        metadata = Metadata.read(path)
        if metadata.state == "recording":
            raise TraceError(f"the trace {path} is still being recorded", "wait, or recover what it left")
        host = metadata.labels.get("host") or metadata.host.name or "unknown"
        told = metadata.labels.get("rank", "")
        taken = {part.rank for part in found}
        rank = int(told) if told.isascii() and told.isdigit() and len(told) < 9 else _free(taken)
        attempt = 1 + sum(part.rank == rank for part in found)
        found.append(Part(path, metadata, host, rank, attempt))
    if not found:
        raise UsageError("no trace is named", "name a job's folder, or the traces of its ranks")
    return _checked(found, absent)


def _label(host: str, rank: int, attempt: int) -> str:
    return f"rank {rank} on {host}" + (f", attempt {attempt}" if attempt > 1 else "")


def _watched(readings: Readings) -> Watched:
    app, daemon, idle = (
        np.clip(share, 0.0, 1.0) for share in (readings.app_share, readings.daemon_share, readings.idle_share)
    )
    # Fractions of one whole that exceed it by rounding create no energy.
    whole = np.maximum(app + np.nan_to_num(daemon) + np.nan_to_num(idle), 1.0)
    return Watched(
        readings.start_ns, readings.end_ns, readings.energy_j, app / whole, daemon / whole, idle / whole, readings.gap
    )


def _free(taken: set[int]) -> int:
    return next(number for number in range(len(taken) + 1) if number not in taken)


def _checked(found: list[Part], absent: list[str]) -> Found:
    parts = sorted(found, key=lambda part: (part.rank, part.attempt))
    jobs: dict[str, Part] = {}
    for part in parts:
        # A rank that is started again may be so by another job of the scheduler's.
        if part.attempt == 1 and (job := part.metadata.labels.get("job")):
            jobs.setdefault(job, part)
    if len(jobs) > 1:
        told = "; ".join(f"job {job}: {part.path}" for job, part in jobs.items())
        raise UsageError(f"these are ranks of {len(jobs)} jobs ({told})", "name the traces of one")
    sizes = {int(size) for part in parts if (size := part.metadata.labels.get("world_size", "")).isdigit()}
    there = {part.rank for part in parts}
    if sizes and (lacking := sorted(set(range(min(max(sizes), 1_000_000))) - there)):
        ranks = ", ".join(map(str, lacking[:8])) + (f" and {len(lacking) - 8} more" if len(lacking) > 8 else "")
        absent = [*absent, f"of {max(sizes)} ranks these have no finished trace here: {ranks}"]
    if len(sizes) > 1:
        absent = [*absent, f"ranks tell different numbers of ranks: {', '.join(map(str, sorted(sizes)))}"]
    versions = {part.metadata.software.get("smaragdined", "unknown") for part in parts}
    if len(versions) > 1:
        absent = [*absent, f"the parts were recorded by different versions: {', '.join(sorted(versions))}"]
    return Found(tuple(parts), tuple(absent))
