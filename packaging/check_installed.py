"""Checks an installed Smaragdine: light to import, and its stubs work with the protobuf and grpcio beside it."""

from __future__ import annotations

import sys
from importlib.metadata import version

import smaragdine

HEAVY = {"tensorflow", "keras", "pandas", "duckdb", "plotly"}
loaded = HEAVY & set(sys.modules)
if loaded:
    sys.exit(f"error: `import smaragdine` imports {', '.join(sorted(loaded))}")

import grpc  # noqa: E402

from smaragdine.v1 import accountant_pb2, accountant_pb2_grpc, trace_pb2  # noqa: E402

event = trace_pb2.Event(op=1, device="CPU:0", kind=trace_pb2.KIND_COMPUTE, start_ns=-1, end_ns=2**62)
request = accountant_pb2.RecordRequest(recording="r", events=trace_pb2.EventBatch(events=[event]))
copy = accountant_pb2.RecordRequest.FromString(request.SerializeToString())
if copy != request:
    sys.exit("error: a request does not survive serialisation")

with grpc.insecure_channel("unix:nowhere.sock") as channel:
    accountant_pb2_grpc.AccountantStub(channel)

print(
    f"smaragdine {version('smaragdine')} at {smaragdine.__file__}: "
    f"protobuf {version('protobuf')}, grpcio {version('grpcio')}, Python {sys.version.split()[0]}"
)
