"""A client written with nothing but the protocol files and gRPC gets the joules that a hand computes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import duckdb
import grpc
import pytest

from smaragdine.daemon.binary import find_binary
from smaragdine.v1 import accountant_pb2, trace_pb2
from smaragdine.v1.accountant_pb2_grpc import AccountantStub
from testbed.hardware import built

WATTS = 150.0
# The counter refreshes every 20 ms and is read every 4 ms: where an event starts or ends, the interval of the energy
# around it is known to a few milliseconds. Two of them at 150 W:
EDGE_J = 2 * 0.004 * WATTS


@pytest.fixture
def accountant(tmp_path: Path) -> Iterator[AccountantStub]:
    """A daemon whose one GPU draws 150 W and is held by this process alone."""
    library = tmp_path / "libnvidia-ml.so"
    shutil.copy(built("fake-nvml", "libfake_nvml.so"), library)
    library.with_name(library.name + ".spec").write_text(
        f"gpu.watts = constant:{WATTS}\ngpu.processes = {os.getpid()}\ngpu.utilisation = {os.getpid()}:100\n"
    )
    socket = tmp_path / "s"
    command = [find_binary(), "serve", "--socket", socket, "--state-dir", tmp_path / "state", "--nvml-library", library]
    command += ["--powercap-root", tmp_path / "none", "--hwmon-root", tmp_path / "none"]
    with subprocess.Popen([str(part) for part in command]) as daemon:
        options = [("grpc.default_authority", "localhost")]
        with grpc.insecure_channel(f"unix:{socket}", options=options) as channel:
            grpc.channel_ready_future(channel).result(timeout=20)
            yield AccountantStub(channel)
        daemon.terminate()


def clocks() -> trace_pb2.ClockPair:
    return trace_pb2.ClockPair(realtime_ns=time.time_ns(), monotonic_ns=time.monotonic_ns())


def fetch(accountant: AccountantStub, recording: str, directory: Path) -> None:
    directory.mkdir()
    for piece in accountant.Fetch(accountant_pb2.FetchRequest(recording=recording, release=True)):
        with (directory / piece.path).open("ab") as file:
            file.write(piece.data)


def test_events_on_a_gpu_share_its_energy_as_computed_by_hand(accountant: AccountantStub, tmp_path: Path) -> None:
    started = accountant.Start(accountant_pb2.StartRequest(require_measured=True, clock=clocks()))
    assert started.basis == "measured"
    time.sleep(0.5)
    begin = time.monotonic_ns()
    time.sleep(2.5)

    def event(op: int, lane: int, kind: int, from_s: float, to_s: float) -> trace_pb2.Event:
        start, end = (begin + int(seconds * 1e9) for seconds in (from_s, to_s))
        return trace_pb2.Event(op=op, device="GPU:0", lane=lane, kind=kind, start_ns=start, end_ns=end)

    batch = trace_pb2.EventBatch(
        clock=trace_pb2.CLOCK_MONOTONIC,
        ops=[
            trace_pb2.Op(op=number, qtn=f"net/{layer}/{layer}", phase="forward")
            for number, layer in enumerate(["dense", "norm", "fetch", "sync"])
        ],
        events=[
            event(0, 0, trace_pb2.KIND_COMPUTE, 0.0, 1.0),
            event(1, 1, trace_pb2.KIND_COMPUTE, 0.5, 1.5),
            event(2, 2, trace_pb2.KIND_COPY, 0.0, 2.0),
            event(3, 3, trace_pb2.KIND_WAIT, 0.0, 2.0),
        ],
        edges=[trace_pb2.Edge(from_op=0, to_op=1)],
    )
    requests = [accountant_pb2.RecordRequest(recording=started.recording, sequence=1, clock=clocks(), events=batch)]
    assert [response.acknowledged for response in accountant.Record(iter(requests))] == [1]
    stopped = accountant.Stop(accountant_pb2.StopRequest(recording=started.recording))
    assert stopped.events == 4
    trace = tmp_path / "trace"
    fetch(accountant, started.recording, trace)
    assert json.loads((trace / "trace.json").read_text())["state"] == "complete"

    tables = {name: f"'{trace}/{name}.parquet'" for name in ("footprint", "ops", "ledger", "readings")}
    rows = duckdb.sql(
        f"select qtn, device, basis, energy_j, time_s from {tables['footprint']} join {tables['ops']} using (op)"
    ).fetchall()
    assert {row[1:3] for row in rows} == {("GPU:0", "measured")}
    energy_j = {row[0].rsplit("/")[-1]: row[3] for row in rows}
    time_s = {row[0].rsplit("/")[-1]: row[4] for row in rows}
    # Half a second alone and half a second shared by two; the copy counts once nothing computes; waiting costs nothing.
    assert energy_j["dense"] == pytest.approx(0.5 * WATTS + 0.5 * WATTS / 2, abs=EDGE_J)
    assert energy_j["norm"] == pytest.approx(0.5 * WATTS / 2 + 0.5 * WATTS, abs=EDGE_J)
    assert energy_j["fetch"] == pytest.approx(0.5 * WATTS, abs=EDGE_J)
    assert energy_j["sync"] == 0
    assert time_s == pytest.approx({"dense": 1.0, "norm": 1.0, "fetch": 2.0, "sync": 2.0})

    ((ledger_j,),) = duckdb.sql(f"select sum(energy_j) from {tables['ledger']}").fetchall()
    ((readings_j,),) = duckdb.sql(f"select sum(energy_j) from {tables['readings']}").fetchall()
    assert ledger_j == pytest.approx(readings_j, rel=1e-9)
