"""A client that does what it is told, one JSON object a line: `python one_client.py SOCKET UID GROUP…`.

Everything is imported before it becomes the user, who may not be allowed to read what is installed here.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import grpc

from smaragdine.daemon.client import Client, StartOptions
from smaragdine.errors import SmaragdineError
from smaragdine.v1 import accountant_pb2 as pb
from smaragdine.v1 import trace_pb2
from smaragdine.v1.accountant_pb2_grpc import AccountantStub


class Calls:
    """What can be asked of it."""

    def __init__(self, socket: str) -> None:
        self.socket = Path(socket)
        options = [("grpc.default_authority", "localhost")]
        self.stub = AccountantStub(grpc.insecure_channel(f"unix:{socket}", options=options))

    def describe(self) -> int:
        return int(self.stub.Describe(pb.DescribeRequest()).recordings)

    def start(self, **what: Any) -> dict[str, str]:
        pair = trace_pb2.ClockPair(realtime_ns=time.time_ns(), monotonic_ns=time.monotonic_ns())
        started = self.stub.Start(pb.StartRequest(clock=pair, **what))
        return {"recording": started.recording, "state_dir": started.state_dir, "basis": started.basis}

    def start_as_programs_do(self) -> dict[str, str]:
        """Through the package's own client, as are all calls from then on."""
        self.client = Client(self.socket)
        self.stub = self.client._stub
        self.client.describe()
        return {"recording": self.client.start(StartOptions(keep_all=True)).recording}

    def note(self, recording: str, texts: list[str]) -> list[tuple[int, int, str]]:
        requests = [
            pb.RecordRequest(recording=recording, sequence=number, note=trace_pb2.Note(text=text))
            for number, text in enumerate(texts, 1)
        ]
        answers = self.stub.Record(iter(requests))
        return [(answer.acknowledged, answer.advice, answer.problem) for answer in answers]

    def watch(self, recording: str) -> dict[str, float]:
        for live in self.stub.Watch(pb.WatchRequest(recording=recording)):
            if live.energy_j:
                return dict(live.energy_j)
        return {}

    def pause(self, recording: str) -> None:
        self.stub.Pause(pb.PauseRequest(recording=recording, pause=True))

    def hold(self, recording: str) -> bool:
        """Whether it is to pause, as a training that can is told first."""
        answers = self.stub.Hold(iter([pb.HoldRequest(recording=recording)]))
        return bool(next(answers).pause)

    def stop(self, recording: str) -> list[str]:
        return list(self.stub.Stop(pb.StopRequest(recording=recording)).warnings)

    def fetch(self, recording: str, to: str | None = None, release: bool = False) -> int:
        size = 0
        for piece in self.stub.Fetch(pb.FetchRequest(recording=recording, release=release)):
            size += len(piece.data)
            if to:
                with Path(to, piece.path).open("ab") as file:
                    file.write(piece.data)
        return size

    def release(self, recording: str) -> None:
        self.stub.Release(pb.ReleaseRequest(recording=recording))

    def work(self, seconds: float) -> dict[str, int]:
        """Uses a CPU for so long; returns from when to when, CLOCK_MONOTONIC."""
        from_ns = time.monotonic_ns()
        to_ns = from_ns + int(seconds * 1e9)
        while time.monotonic_ns() < to_ns:
            pass
        return {"from_ns": from_ns, "to_ns": to_ns}


def main() -> None:
    socket, uid, *groups = sys.argv[1:]
    # The first call imports what it needs lazily.
    Calls("/nonexistent").stub.Describe.future(pb.DescribeRequest()).cancel()
    if int(uid):
        os.setgroups([int(group) for group in groups])
        os.setgid(int(uid))
        os.setuid(int(uid))
    calls = Calls(socket)
    for line in sys.stdin:
        told = json.loads(line)
        try:
            answer = {"answer": getattr(calls, told.pop("call"))(**told)}
        except grpc.RpcError as error:
            answer = {"code": error.code().name, "told": error.details()}
        except SmaragdineError as error:
            answer = {"code": "UNKNOWN", "told": error.message}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
