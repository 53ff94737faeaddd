"""A training is measured while its neighbours attack the daemon that they share."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from served import Recorded, fetched, needs_root, served
from smaragdine.daemon.client import Client, StartOptions
from testbed.hardware import Tree

# Each floods in its own way until its input ends: starts, calls, messages that never end, graphs that grow.
FLOODER = """
import os, sys, threading, time
import grpc
from smaragdine.v1 import accountant_pb2 as pb, trace_pb2
from smaragdine.v1.accountant_pb2_grpc import AccountantStub

options = [("grpc.default_authority", "localhost"), ("grpc.use_local_subchannel_pool", 1)]
# What is called first imports lazily.
AccountantStub(grpc.insecure_channel("unix:/nonexistent")).Describe.future(pb.DescribeRequest()).cancel()
os.setgroups([int(sys.argv[3])])
os.setgid(int(sys.argv[2]))
os.setuid(int(sys.argv[2]))

def stub():
    return AccountantStub(grpc.insecure_channel("unix:" + sys.argv[1], options=options))

def starts():
    while True:
        try:
            calls = stub()
            recording = calls.Start(pb.StartRequest(period_ns=500_000)).recording
            graph = trace_pb2.Profile(format=3, data=bytes([10, 0]) * (1 << 20), last=True)
            request = pb.RecordRequest(recording=recording, sequence=1, profile=graph)
            list(calls.Record(iter([request] * 4)))
            calls.Stop(pb.StopRequest(recording=recording))
        except grpc.RpcError:
            time.sleep(0.01)

def describes():
    calls = stub()
    while True:
        try:
            calls.Describe(pb.DescribeRequest())
        except grpc.RpcError:
            time.sleep(0.01)

for flood in (starts, starts, describes):
    threading.Thread(target=flood, daemon=True).start()
print("flooding", flush=True)
sys.stdin.read()
"""


GROUP = 62_001


def ticks(trace: Recorded) -> float:
    (source,) = [one for one in trace.metadata["sources"] if one["name"] == "powercap"]
    return float(source["ticks"] / (source["ticks"] + source["missed_ticks"]))


def recorded(socket: Path, seconds: float, to: Path) -> tuple[Recorded, float, float]:
    """A recording of some seconds, and how long its start and its stop took, in seconds."""
    client = Client(socket)
    begun = time.monotonic()
    recording = client.start(StartOptions(period_ns=4_000_000, keep_all=True)).recording
    start_s = time.monotonic() - begun
    time.sleep(seconds)
    begun = time.monotonic()
    client.stop(recording)
    stop_s = time.monotonic() - begun
    trace = fetched(client, recording, to)
    client.close()
    return trace, start_s, stop_s


@needs_root
def test_a_victim_keeps_its_energy_and_can_start_and_stop_while_three_flooders_attack(
    tmp_path: Path, tree: Tree
) -> None:
    for directory in [tmp_path, *tmp_path.parents]:
        if directory.owner() == "root" and directory != Path("/"):
            directory.chmod(directory.stat().st_mode | 0o011)
    command = [sys.executable, "-c", FLOODER, str(tmp_path / "s")]
    with served(tmp_path, tree.root, "--assembly-mib", "512", "--group", str(GROUP)) as daemon:
        quiet, _, _ = recorded(daemon.socket, 3, tmp_path / "quiet")
        flooders = [
            subprocess.Popen([*command, str(61_001 + n), str(GROUP)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            for n in range(3)
        ]
        try:
            for flooder in flooders:
                assert flooder.stdout is not None
                flooder.stdout.readline()
            time.sleep(1)
            trace, start_s, stop_s = recorded(daemon.socket, 6, tmp_path / "out")
            resident_mib = daemon.resident_mib()
            floods = len(list(daemon.state_dir.glob("*/journal"))) - 2
        finally:
            for flooder in flooders:
                flooder.kill()
                with flooder:
                    pass
    print(
        f"started in {start_s:.2f} s, stopped in {stop_s:.2f} s, {ticks(trace):.2%} of ticks, {ticks(quiet):.2%} alone;"
        f" the daemon has {resident_mib:.0f} MiB and kept {floods} recordings of the flooders"
    )
    assert floods > 3
    assert resident_mib < 400
    trace.assert_whole(tree)
