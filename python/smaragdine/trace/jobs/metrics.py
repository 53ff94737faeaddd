"""Metrics of a job: what its ranks used added up, what is a machine's once, what is neither as each rank told it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from smaragdine.trace.jobs.host import Machine, uuid_of
from smaragdine.trace.jobs.part import Part
from smaragdine.trace.metrics import Series

_APPLICATION, _MACHINE, _DAEMON = "application", "machine", "daemon"
# As they stood since some moment: what is added is what each rank used since it was first looked at.
_COUNTERS = frozenset({"cpu_time"})
# Of the application, as they stood at a moment; before and after its recording a rank has none.
_LEVELS = frozenset({"processes", "memory_resident", "memory_proportional"})
# Fractions of a machine's CPUs or of a GPU, which its ranks divide among themselves.
_PARTS = frozenset({"cpu_utilisation", "gpu_utilisation", "gpu_memory_used"})
# Somebody holds a GPU, or nobody does.
_EITHER = frozenset({"gpu_held"})
_ADDED = _COUNTERS | _LEVELS | _PARTS | _EITHER
# As the daemon looks: more often would be rows and no news.
_SECOND_NS = 1_000_000_000

_Row = tuple[int, str, str, float]


@dataclass(frozen=True, slots=True)
class _Told:
    part: Part
    series: Series


def metrics(machines: Sequence[Machine], told_by: Mapping[Path, Sequence[Series]]) -> Iterator[_Row]:
    """Rows of `metrics.parquet`, of what each part told.

    Scopes: `application` is the whole job's; `HOST/machine`, `HOST/daemon`, `HOST/GPU:0` are a machine's, once;
    `application/HOST/GPU:0` is the job's part of it; `rank:3/…` is what a program told by a metric of its own.
    """
    every: dict[tuple[str, str], list[_Told]] = defaultdict(list)
    once: dict[tuple[str, str], list[_Told]] = defaultdict(list)
    for machine in machines:
        gpus = _Gpus(machine)
        for part in machine.parts:
            for series in told_by[part.path]:
                told = _Told(part, series)
                scope = series.scope
                of, _, gpu = scope.rpartition("/") if "GPU:" in scope else ("", "", "")
                if gpu and of in ("", _APPLICATION):
                    name = f"{machine.name}/{gpus.of(part, gpu)}"
                    group, scope = (every, f"{_APPLICATION}/{name}") if of else (once, name)
                elif scope == _APPLICATION and series.metric in _ADDED:
                    # Whose fraction it is, its machine tells; what was used adds over all of them.
                    group, scope = every, f"{machine.name}/{scope}" if series.metric in _PARTS else scope
                elif scope in (_MACHINE, _DAEMON):
                    group, scope = (every if scope == _DAEMON else once), f"{machine.name}/{scope}"
                else:
                    group, scope = once, f"rank:{part.rank}/{scope}"
                group[series.metric, scope].append(told)
    for (metric, scope), watched in once.items():
        yield from _longest(metric, scope, watched)
    for (metric, scope), own in every.items():
        yield from _together(metric, scope, _daemons(own) if scope.endswith(f"/{_DAEMON}") else own)


class _Gpus:
    """What a machine's GPUs are called in the job: by uuid the same one, whatever each container calls it."""

    def __init__(self, machine: Machine) -> None:
        self._called: dict[tuple[str, str], str] = {}
        for part in machine.parts:
            for gpu in part.metadata.hardware.gpus:
                device = f"GPU:{gpu.index}"
                key = (device, uuid_of(part, device))
                taken = any(name == device for name in self._called.values())
                self._called.setdefault(key, f"{device}~{key[1][-8:]}" if taken and key[1] else device)

    def of(self, part: Part, device: str) -> str:
        return self._called.get((device, uuid_of(part, device)), device)


def _daemons(told: Sequence[_Told]) -> list[_Told]:
    """Of each daemon what the longest recording saw: all that it served saw the same."""
    served: dict[object, _Told] = {}
    for one in told:
        pid = one.part.metadata.options.daemon_pid
        key = one.part.path if pid is None else pid
        if key not in served or len(one.series.time_ns) > len(served[key].series.time_ns):
            served[key] = one
    return list(served.values())


def _longest(metric: str, scope: str, told: Sequence[_Told]) -> Iterator[_Row]:
    """One after the other where they follow each other, and of those that overlap the longest."""
    until_ns = None
    order = sorted(told, key=lambda one: (one.series.time_ns[0], -len(one.series.time_ns)))
    for one in order:
        for time_ns, value in zip(one.series.time_ns.tolist(), one.series.value.tolist(), strict=True):
            if until_ns is None or time_ns > until_ns:
                yield time_ns, metric, scope, value
                until_ns = time_ns


def _together(metric: str, scope: str, told: Sequence[_Told]) -> Iterator[_Row]:
    """The sum, or whether any is, at every second at which somebody looked, and at each one's first and last look."""
    if len(told) == 1:
        yield from _longest(metric, scope, told)
        return
    looks = np.unique(np.concatenate([one.series.time_ns for one in told]))
    last_of_second = np.append(np.diff(looks // _SECOND_NS) > 0, True)
    ends = np.concatenate([one.series.time_ns[[0, -1]] for one in told])
    times = looks[last_of_second | np.isin(looks, ends)]
    add: Callable[..., np.ndarray[tuple[int, ...], np.dtype[np.float64]]]
    add = np.maximum if metric in _EITHER else np.add
    total = np.zeros(len(times))
    for one in told:
        own = one.series
        # A value holds since the look before, as whoever weighs it by time has it.
        at = np.searchsorted(own.time_ns, times, side="left")
        if metric in _COUNTERS:
            at = np.searchsorted(own.time_ns, times, side="right") - 1
            held = own.value[np.clip(at, 0, None)] - own.value[0]
        else:
            since = times >= own.time_ns[0] if metric in _LEVELS else times > own.time_ns[0]
            inside = since & (times <= own.time_ns[-1])
            held = np.where(inside, own.value[np.clip(at, 0, len(own.value) - 1)], 0.0)
        total = add(total, held)
    for time_ns, value in zip(times.tolist(), total.tolist(), strict=True):
        yield time_ns, metric, scope, value
