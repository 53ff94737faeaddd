"""One recording over hardware that misbehaves, by a daemon of its own, held against the truth."""

from __future__ import annotations

import ctypes
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import smaragdine
from smaragdine import Trace
from smaragdine.daemon.binary import find_binary
from testbed.hardware import Gpus, Tree, Truth, built, fake_gpus, powercap_tree

PR_CAPBSET_DROP = 24
# CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH: what lets root read what nobody may.
PRIVILEGES = (1, 2)
# The bound on the energy of every stretch that is known.
TOLERANCE = 1e-3


class Daemon:
    """A daemon that serves on a socket of its own."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self.pid = process.pid

    @contextmanager
    def stalled(self) -> Iterator[None]:
        """The whole daemon stands still while the block runs."""
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)


@contextmanager
def serving(
    directory: Path,
    monkeypatch: pytest.MonkeyPatch,
    powercap: Path,
    *options: str,
    unprivileged: bool = False,
) -> Iterator[Daemon]:
    """A daemon over fakes, which recordings of this process use until the block ends; the tree may come later."""
    socket = directory / "s"
    command = [str(find_binary()), "serve", "--socket", str(socket), "--state-dir", str(directory / "state")]
    command += ["--powercap-root", str(powercap), *options]
    for option in ("--hwmon-root", "--nvml-library", "--drm-root", "--perf-root", "--cray-root"):
        command += [] if option in options else [option, "/nonexistent"]
    with subprocess.Popen(command, preexec_fn=_drop_privileges if unprivileged else None) as process:
        try:
            deadline = time.monotonic() + 30
            while not socket.exists():
                assert process.poll() is None
                assert time.monotonic() < deadline, "the daemon does not serve"
                time.sleep(0.01)
            monkeypatch.setenv("SMARAGDINE_SOCKET", str(socket))
            yield Daemon(process)
        finally:
            process.terminate()


def _drop_privileges() -> None:
    libc = ctypes.CDLL(None)
    for capability in PRIVILEGES:
        libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)


@dataclass(frozen=True)
class Stretch:
    """Readings of one domain that follow each other and are of one kind: known, or a gap."""

    start_ns: int
    end_ns: int
    energy_j: float
    gap: bool
    # Around the reads at its start and at its end.
    start_read: tuple[int, int]
    end_read: tuple[int, int]

    @property
    def seconds(self) -> float:
        return (self.end_ns - self.start_ns) * 1e-9


class Account:
    """What a recording holds of one domain, beside what its register truly gained."""

    def __init__(self, trace: Trace, domain: str) -> None:
        self.trace = trace
        self.domain = domain
        columns = "start_ns, end_ns, energy_j, flags, read_start_ns, read_end_ns"
        self._rows = trace.sql(f"select {columns} from readings where domain = '{domain}' order by start_ns").fetchall()
        self.offset_ns = int(trace.metadata.raw["realtime_offset_ns"])

    @property
    def flags(self) -> set[str]:
        return {flag for row in self._rows for flag in row[3]}

    @property
    def gaps(self) -> list[dict[str, Any]]:
        return [gap for gap in self.trace.metadata.raw.get("gaps", []) if gap["domain"] == self.domain]

    @property
    def stretches(self) -> list[Stretch]:
        gaps = {(gap["start_ns"], gap["end_ns"]) for gap in self.gaps}
        stretches: list[Stretch] = []
        # The first read is not told; it took microseconds, unless the machine was busy.
        before = (self._rows[0][0] - 1_000_000, self._rows[0][0] + 1_000_000)
        for start_ns, end_ns, energy_j, _, *read in self._rows:
            gap = any(start <= start_ns and end_ns <= end for start, end in gaps)
            last = stretches[-1] if stretches else None
            here = (read[0], read[1])
            if last is not None and (last.gap, last.end_ns) == (gap, start_ns):
                stretches[-1] = replace(last, end_ns=end_ns, energy_j=last.energy_j + energy_j, end_read=here)
            else:
                stretches.append(Stretch(start_ns, end_ns, energy_j, gap, before, here))
            before = here
        return stretches

    def hold(self, truth: Truth, zone: str) -> float:
        """Holds the account against the truth; returns the relative error of what is known.

        Readings follow each other without a hole, what is known is right within the tolerance, and what is not lies
        within the bounds that its gap states.
        """
        rows = self._rows
        assert all(one[1] == other[0] for one, other in pairwise(rows)), "readings leave a hole"

        def drawn_uj(stretch: Stretch) -> tuple[int, int]:
            """The least and the most that the register can have gained from one read to the other."""
            first, last = (
                truth.held_uj(zone, read[0] - self.offset_ns, read[1] - self.offset_ns)
                for read in (stretch.start_read, stretch.end_read)
            )
            return last[0] - first[1], last[1] - first[0]

        for stretch in self.stretches:
            if stretch.gap:
                within = [
                    gap for gap in self.gaps if gap["start_ns"] >= stretch.start_ns and gap["end_ns"] <= stretch.end_ns
                ]
                least_uj, most_uj = drawn_uj(stretch)
                # Registers count whole microjoules; their sums in joules need not be what the joules' sums are.
                assert sum(round(gap["energy_low_j"] * 1e6) for gap in within) <= most_uj, within
                assert sum(round(gap["energy_high_j"] * 1e6) for gap in within) >= least_uj, within
        known = [stretch for stretch in self.stretches if not stretch.gap]
        bounds_uj = [drawn_uj(stretch) for stretch in known]
        energy_j = sum(stretch.energy_j for stretch in known)
        least_j, most_j = (sum(bounds) * 1e-6 for bounds in zip(*bounds_uj, strict=True))
        error = (energy_j - min(max(energy_j, least_j), most_j)) / energy_j
        print(f"{self.domain}: {100 * error:+.4f} % of {energy_j:.1f} J, gaps of {self.unknown_s:.3f} s")
        assert abs(error) <= TOLERANCE
        query = f"select sum(energy_j) from ledger where domain = '{self.domain}'"
        entered_j = self.trace.sql(query).fetchall()[0][0]
        assert entered_j == pytest.approx(sum(row[2] for row in rows), rel=1e-9)
        return error

    @property
    def unknown_s(self) -> float:
        return sum(stretch.seconds for stretch in self.stretches if stretch.gap)


def busy(seconds: float) -> None:
    """Works, so that this process has CPU time to account."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        sum(range(1000))
        time.sleep(0.002)


def record(output: Path, tree: Tree, until_s: float, act: Callable[[], object] = lambda: None) -> Trace:
    """Records until the tree is `until_s` old, and calls `act` meanwhile."""
    with smaragdine.record(output, require_measured=True):
        act()
        while tree.age_s < until_s:
            busy(0.02)
    return Trace.open(output)


def register_uj(tree: Tree, zone: str) -> int:
    return int((tree.root / zone / "energy_uj").read_text())


Recorder = Callable[..., tuple[Account, Account, Tree]]


def recorder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Recorder:
    """Records a tree with these options; the package's and the memory's account, and the tree.

    `act` is called with the daemon and the tree while the recording runs. Both registers are held against the truth,
    unless `held` says otherwise.
    """

    def go(
        *options: str,
        until_s: float = 3.5,
        act: Callable[[Daemon, Tree], object] | None = None,
        daemon: tuple[str, ...] = (),
        unprivileged: bool = False,
        held: bool = True,
    ) -> tuple[Account, Account, Tree]:
        directory = tmp_path / "tree"
        root = directory / "class" / "powercap"
        with (
            serving(tmp_path, monkeypatch, root, *daemon, unprivileged=unprivileged) as running,
            powercap_tree(directory, *options) as tree,
        ):
            trace = record(tmp_path / "out", tree, until_s, lambda: act(running, tree) if act else None)
            assert trace.metadata.raw["state"] == "complete"
            package, memory = Account(trace, "package-0"), Account(trace, "dram-0")
            if held:
                package.hold(tree.truth, "intel-rapl:0")
                memory.hold(tree.truth, "intel-rapl:0:0")
            return package, memory, tree

    return go


def gpus(directory: Path, text: str) -> tuple[str, ...]:
    """A driver of its own: a copy of the fake library, with its specification beside it."""
    shown = fake_gpus(directory, text, built("fake-nvml", "libfake_nvml.so"))
    return ("--nvml-library", str(shown.library))


def becomes(directory: Path, text: str) -> None:
    """Changes the hardware of the driver in `directory`."""
    Gpus(directory / "libnvidia-ml.so.1").show(text)
