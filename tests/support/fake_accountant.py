"""A daemon for tests: serves the protocol over a Unix socket and writes down what it was told.

Run as `python fake_accountant.py serve --socket S --state-dir D --lifeline-fd N`. What it was told lies, one JSON
object a line, in the file that FAKE_TOLD names; FAKE_FAULT makes it misbehave.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
from google.protobuf.json_format import MessageToDict

from smaragdine.v1 import accountant_pb2 as pb
from smaragdine.v1 import accountant_pb2_grpc as rpc

FAULT = os.environ.get("FAKE_FAULT", "")
TOLD = Path(os.environ.get("FAKE_TOLD", os.devnull))
DOMAIN = pb.Domain(name="package-0", device="CPU:0", counted=True, basis="measured", source="powercap")


def tell(kind: str, **what: object) -> None:
    with TOLD.open("a") as file:
        file.write(json.dumps({"kind": kind, **what}) + "\n")


class Accountant(rpc.AccountantServicer):
    def __init__(self, socket: str, state_dir: str) -> None:
        self.socket, self.state_dir = socket, state_dir
        self.stopped = threading.Event()

    def Describe(self, request, context):  # noqa: N802  the protocol's name
        basis = "modelled" if FAULT == "modelled" else "measured"
        domain = pb.Domain(name="package-0", device="CPU:0", counted=True, basis=basis, source="powercap")
        broken = pb.Source(
            name="nvml", available=False, problem="libnvidia-ml.so.1 is not installed", hint="install NVIDIA's driver"
        )
        return pb.DescribeResponse(
            protocol_version=99 if FAULT == "version" else 1,
            version="0.1.0",
            sources=[pb.Source(name="powercap", available=True, domains=[domain]), broken],
            state_dir=self.state_dir,
        )

    def Start(self, request, context):  # noqa: N802  the protocol's name
        tell("start", **MessageToDict(request, preserving_proto_field_name=True))
        if FAULT == "start":
            context.abort(grpc.StatusCode.INTERNAL, "the journal cannot be created\nhint: free some space")
        if FAULT == "modelled" and request.require_measured:
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, "no energy sensor is readable here\nhint: ask for one")
        return pb.StartResponse(
            recording="r-1",
            start_ns=time.time_ns(),
            domains=[DOMAIN],
            basis="modelled" if FAULT == "modelled" else "measured",
            warning="no energy sensor was readable" if FAULT == "modelled" else "",
            state_dir=self.state_dir,
            trace_json=json.dumps({"schema_version": 1, "state": "recording"}),
        )

    def Record(self, requests, context):  # noqa: N802  the protocol's name
        profile = 0
        for request in requests:
            if FAULT == "die":
                os._exit(9)
            if FAULT == "slow":
                time.sleep(0.2)
            payload = request.WhichOneof("payload")
            if payload == "profile":
                profile += len(request.profile.data)
                if request.profile.last:
                    tell("profile", format=request.profile.format, size=profile)
                    profile = 0
            elif payload == "steps":
                for step in request.steps.steps:
                    tell("step", **MessageToDict(step, preserving_proto_field_name=True))
            else:
                tell(payload, **MessageToDict(getattr(request, payload), preserving_proto_field_name=True))
            yield pb.RecordResponse(acknowledged=request.sequence)
            if FAULT == "stop":
                yield pb.RecordResponse(acknowledged=request.sequence, advice=pb.RecordResponse.ADVICE_STOP)
                return

    def Stop(self, request, context):  # noqa: N802  the protocol's name
        tell("stop")
        self.stopped.set()
        return pb.StopResponse(end_ns=time.time_ns(), readings=1, warnings=["the sampler was late once"])

    def Fetch(self, request, context):  # noqa: N802  the protocol's name
        tell("fetch")
        yield pb.FetchResponse(path="../outside" if FAULT == "outside" else "readings.parquet", data=b"PAR")
        if FAULT == "fetch":
            context.abort(grpc.StatusCode.DATA_LOSS, "the disk failed")
        yield pb.FetchResponse(path="readings.parquet", data=b"1", last=True)
        yield pb.FetchResponse(path="trace.json", data=json.dumps({"state": "complete"}).encode(), last=True)

    def Release(self, request, context):  # noqa: N802  the protocol's name
        tell("release", recording=request.recording)
        return pb.ReleaseResponse()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("command")
    parser.add_argument("--socket")
    parser.add_argument("--state-dir")
    parser.add_argument("--lifeline-fd", type=int)
    options = parser.parse_args()
    if FAULT == "startup":
        sys.stderr.write("cannot listen: address already in use\n")
        sys.exit(4)
    sys.stderr.write("serving\n")
    server = grpc.server(ThreadPoolExecutor(8))
    accountant = Accountant(options.socket, options.state_dir)
    rpc.add_AccountantServicer_to_server(accountant, server)
    server.add_insecure_port(f"unix:{options.socket}")
    server.start()
    tell("serving", pid=os.getpid(), session=os.getsid(0))
    while os.read(options.lifeline_fd, 1):
        pass
    tell("lifeline", stopped=accountant.stopped.is_set())
    server.stop(None)


if __name__ == "__main__":
    main()
