"""Prints how well the real daemon tells operations apart whose true power moves a register while it records.

A powercap tree, and the NVML library: the register's writer, the daemon and a client share the machine's cores, as a
training would. The GPU is the application's alone, so its joules are compared as they are. Of a package the application
is given what its CPU time says, and it spends next to none here: there each type's share of the operations' energy is
compared.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc

from smaragdine import Trace
from smaragdine.daemon.binary import find_binary
from smaragdine.trace.metadata import Sensor
from smaragdine.v1 import accountant_pb2, trace_pb2
from smaragdine.v1.accountant_pb2_grpc import AccountantStub

ROOT = Path(__file__).resolve().parent.parent.parent
RELEASE = ROOT / "target" / "release"
POLICIES = ("recency", "equal", "deconvolved")


@dataclass(frozen=True)
class Case:
    """What is played, and how the daemon is to watch it."""

    title: str
    register: str
    op_us: float
    seconds: float
    options: tuple[str, ...] = ()

    @property
    def steps(self) -> int:
        """A step has 144 operations and a pause of 4 ms."""
        return round(self.seconds / (144 * self.op_us * 1e-6 + 4e-3))


CASES = (
    Case("a package every 1 ms, read every 4 ms", "powercap", 500, 12),
    Case("the same, polled (--edge-lock)", "powercap", 500, 12, ("--edge-lock",)),
    Case("a GPU every 20 ms", "nvml", 500, 60),
    Case("the same, operations of 4 ms", "nvml", 4000, 60),
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0, help="of the seconds that each case takes (default: 1)")
    options = parser.parse_args()
    subprocess.run(
        ["cargo", "build", "--release", "--quiet", "--package", "accuracy", "--package", "fake-nvml"],
        cwd=ROOT,
        check=True,
    )
    for case in CASES:
        scaled = Case(case.title, case.register, case.op_us, case.seconds * options.scale, case.options)
        with tempfile.TemporaryDirectory(dir="/dev/shm") as directory:
            trace, truth_j = record(Path(directory), scaled)
            report(scaled, trace, truth_j)
    return 0


def record(directory: Path, case: Case) -> tuple[Trace, dict[str, float]]:
    """Plays a training and records it; the true joules by type of operation."""
    play = [RELEASE / "accuracy", "play", f"--{case.register}", directory / "register"]
    play += ["--steps", str(case.steps), "--op-us", str(case.op_us)]
    with subprocess.Popen([str(word) for word in play], stdout=subprocess.PIPE, text=True) as player:
        assert player.stdout is not None
        stands = json.loads(player.stdout.readline())
        # No program delays a register of hardware.
        with suppress(PermissionError):
            os.sched_setscheduler(player.pid, os.SCHED_FIFO, os.sched_param(10))
        with daemon(directory, case, stands["ready"]) as accountant:
            started = accountant.Start(accountant_pb2.StartRequest(require_measured=True, clock=clocks()))
            played = {**json.loads(player.stdout.readline()), "device": stands["device"]}
            for _ in accountant.Record(requests(started.recording, played)):
                pass
            accountant.Stop(accountant_pb2.StopRequest(recording=started.recording))
            output = directory / "trace"
            output.mkdir()
            for piece in accountant.Fetch(accountant_pb2.FetchRequest(recording=started.recording, release=True)):
                with (output / piece.path).open("ab") as file:
                    file.write(piece.data)
    for policy in POLICIES:
        subprocess.run([find_binary(), "account", output, "--policy", policy], check=True)
    truth_j: dict[str, float] = {}
    for (_, kind), energy_j in zip(played["ops"], played["truth_j"], strict=True):
        truth_j[kind] = truth_j.get(kind, 0.0) + energy_j
    return Trace.open(output), truth_j


def report(case: Case, trace: Trace, truth_j: dict[str, float]) -> None:
    ((uncertainty_us, seen),) = trace.sql(
        "select median(edge_uncertainty_ns) / 1e3, count(edge_uncertainty_ns) / count(*) from readings"
    ).fetchall()
    source = trace.metadata.sources[0]
    duration_s = trace.metadata.duration_s or 0.0
    told = f", to ±{uncertainty_us:.0f} µs in the median" if uncertainty_us is not None else ""
    print(f"\n{case.title}: operations of {case.op_us / 1e3:g} ms, {duration_s:.0f} s")
    print(f"  {100 * (source.cpu_s or 0) / duration_s:.1f} % of a core spent reading")
    print(f"  both edges known of {100 * seen:.0f} % of the readings{told}")
    print(f"  {behaviour(source.sensors[0])}")
    for policy in POLICIES:
        groups = {group.name: group for group in trace.footprint(policy).by("type")}
        scale = 1.0
        if case.register == "powercap":
            scale = sum(truth_j.values()) / sum(group.energy_j for group in groups.values())
        errors = [
            abs(groups[kind].energy_j * scale / energy_j - 1) if kind in groups else 1.0
            for kind, energy_j in truth_j.items()
        ]
        line = f"  {policy:12} mean error {100 * sum(errors) / len(errors):5.1f} %, worst {100 * max(errors):5.1f} %"
        if policy == "deconvolved":
            line += told_of((*trace.metadata.raw["coverage"]["deconvolution"].values(),)[0])
        print(line)


def behaviour(sensor: Sensor) -> str:
    """What the recording tells of the register, which is never late and counts everything."""

    def ms(value: int | None) -> str:
        return "unknown" if value is None else f"{value / 1e6:.2f} ms"

    late = f"{ms(sensor.lag_ns)} ± {ms(sensor.lag_error_ns)}" if sensor.lag_ns is not None else "unknown"
    return f"register updated every: {ms(sensor.update_ns)}; late by: {late}; looks at the last: {ms(sensor.window_ns)}"


def told_of(solved: dict[str, Any]) -> str:
    if "refused" in solved:
        return f"  (refused: {solved['refused']})"
    lag_us, error_us = solved["lag_ns"] / 1e3, solved["lag_error_ns"] / 1e3
    return f"  ({solved['classes']} classes by {solved['level']}, delay {lag_us:.0f} ± {error_us:.0f} µs)"


@contextmanager
def daemon(directory: Path, case: Case, register: str) -> Iterator[AccountantStub]:
    socket, nothing = directory / "s", directory / "nothing"
    command = [find_binary(), "serve", "--socket", socket, "--state-dir", directory / "state", "--hwmon-root", nothing]
    environment = {}
    if case.register == "powercap":
        command += ["--powercap-root", register, "--nvml-library", nothing]
    else:
        command += ["--powercap-root", nothing, "--nvml-library", RELEASE / "libfake_nvml.so"]
        environment = {"FAKE_NVML_SPEC": register}
    words = [str(word) for word in (*command, *case.options)]
    with subprocess.Popen(words, stderr=subprocess.DEVNULL, env=environment) as process:
        with grpc.insecure_channel(f"unix:{socket}", options=[("grpc.default_authority", "localhost")]) as channel:
            grpc.channel_ready_future(channel).result(timeout=20)
            yield AccountantStub(channel)
        process.terminate()


def requests(recording: str, played: dict[str, Any]) -> Iterator[accountant_pb2.RecordRequest]:
    clock, sequence = trace_pb2.CLOCK_MONOTONIC, 1
    ops = [trace_pb2.Op(op=number, qtn=qtn, phase="forward") for number, (qtn, _) in enumerate(played["ops"])]
    events = played["events"]
    for first in range(0, len(events), 1000):
        batch = trace_pb2.EventBatch(clock=clock, ops=ops if first == 0 else [])
        batch.events.extend(
            trace_pb2.Event(
                op=op,
                device=played["device"],
                lane=lane,
                kind=trace_pb2.KIND_COMPUTE,
                start_ns=start_ns,
                end_ns=end_ns,
            )
            for op, lane, start_ns, end_ns in events[first : first + 1000]
        )
        yield accountant_pb2.RecordRequest(recording=recording, sequence=sequence, clock=clocks(), events=batch)
        sequence += 1
    for number, (start_ns, end_ns) in enumerate(played["steps"]):
        step = trace_pb2.Step(step=number, clock=clock, start_ns=start_ns, end_ns=end_ns, traced=True)
        yield accountant_pb2.RecordRequest(recording=recording, sequence=sequence, clock=clocks(), step=step)
        sequence += 1


def clocks() -> trace_pb2.ClockPair:
    return trace_pb2.ClockPair(realtime_ns=time.time_ns(), monotonic_ns=time.monotonic_ns())


if __name__ == "__main__":
    sys.exit(main())
