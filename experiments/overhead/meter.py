"""What a callback or hook takes while a training runs at its defaults: time on the training thread, and CPU time."""

from __future__ import annotations

import os
import resource
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

# The first step compiles, a few more warm caches up: neither belongs to any block or sum.
WARM_UP = 5

Work = Callable[[], object]


@dataclass(frozen=True)
class CpuTime:
    """CPU seconds of one recording of `wall_s` seconds."""

    wall_s: float
    client_fixed_s: float
    """Starting and finishing, whatever the length."""
    client_running_s: float
    """On the training thread and on the client's own threads while the training ran."""
    daemon_running_s: float
    daemon_accounting_s: float
    """Once, after the training."""

    def client_s(self, wall_s: float) -> float:
        """What the client takes for a training of so many seconds."""
        return self.client_fixed_s + self.client_running_s * wall_s / self.wall_s


class Meter:
    """Calls the work of a callback or hook, and measures it; the training is `over` after so many minutes."""

    def __init__(self, minutes: float) -> None:
        self.own_s: list[float] = []
        # When profilers were being stopped in the background: from, to, in `CLOCK_MONOTONIC`.
        self.stops_ns: list[tuple[int, int]] = []
        self.over = False
        self._minutes = minutes
        self._began_s = self._ended_s = 0.0
        self._fixed_cpu_s = 0.0
        # Appended to by any thread.
        self._cpu_s: list[float] = []
        self._client_threads_s = 0.0
        self._daemon_s = 0.0

    def start(self, work: Work) -> None:
        with self._fixed():
            work()

    def before(self, work: Work, pause: Work) -> None:
        """The work before a step, on the training thread."""
        began, cpu = time.perf_counter(), time.thread_time()
        work()
        now = time.perf_counter()
        self._cpu_s.append(time.thread_time() - cpu)
        self.own_s.append(now - began)
        if len(self.own_s) == WARM_UP:
            self._began_s = now
        self.over = len(self.own_s) > WARM_UP and now > self._began_s + 60 * self._minutes

    def after(self, work: Work, step: int, *, waited_for: bool) -> None:
        """The work after a step, for which the training thread may have waited."""
        began, cpu = time.perf_counter(), time.thread_time()
        work()
        self._cpu_s.append(time.thread_time() - cpu)
        if waited_for:
            self.own_s[-1] += time.perf_counter() - began

    def stopped(self, seconds: float) -> None:
        """Call it on the thread that stopped a profiler in so long; what the training's own does is measured anyway."""
        if threading.current_thread() is not threading.main_thread():
            now_ns = time.monotonic_ns()
            self.stops_ns.append((now_ns - round(seconds * 1e9), now_ns))
            self._cpu_s.append(time.thread_time())

    def end(self, work: Work) -> None:
        """The work after the last step."""
        self._ended_s = time.perf_counter()
        self._client_threads_s = sum(_client_threads_s())
        self._daemon_s = sum(_cpu_s(pid) for pid in daemons())
        with self._fixed():
            work()

    def cpu_time(self) -> CpuTime:
        """Call it when the recording has finished, and its daemon with it."""
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        return CpuTime(
            wall_s=self._ended_s - self._began_s,
            client_fixed_s=self._fixed_cpu_s,
            client_running_s=sum(self._cpu_s) + self._client_threads_s,
            daemon_running_s=self._daemon_s,
            daemon_accounting_s=children.ru_utime + children.ru_stime - self._daemon_s,
        )

    @contextmanager
    def _fixed(self) -> Iterator[None]:
        """Nothing else of the process works while a recording starts and finishes."""
        began = time.process_time()
        yield
        self._fixed_cpu_s += time.process_time() - began


def daemons() -> Iterator[int]:
    """The daemons that this process started."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, _, fields = stat.read_text().partition("(")[2].rpartition(")")
        except OSError:
            continue
        if name == "smaragdined" and int(fields.split()[1]) == os.getpid():
            yield int(stat.parent.name)


def _cpu_s(pid: int) -> float:
    return sum(int(stat.read_text().split()[0]) for stat in Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9


def _client_threads_s() -> Iterator[float]:
    """CPU seconds of the threads that the client and its gRPC keep; TensorFlow in one process uses no gRPC."""
    named = {thread.native_id: thread.name for thread in threading.enumerate()}
    for task in Path("/proc/self/task").iterdir():
        name = named.get(int(task.name)) or (task / "comm").read_text()
        if name.startswith(("smaragdine", "grpc", "event_engine", "lifeguard")) or "channel_spin" in name:
            yield int((task / "schedstat").read_text().split()[0]) / 1e9
