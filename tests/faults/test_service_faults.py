"""The fault suite of the daemon's clients: what each leaves of the energy. One row of docs/reliability.md each."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import grpc
import pytest

from served import Other, Recorded, RefusedError, Served, fetched, served, wait_until
from smaragdine.daemon.client import Client, StartOptions
from smaragdine.daemon.messages import ClockPair, Note, Stamped
from smaragdine.errors import SmaragdineError
from smaragdine.v1 import accountant_pb2 as pb
from smaragdine.v1 import trace_pb2
from testbed.hardware import Tree


@pytest.fixture
def daemon(tmp_path: Path, tree: Tree) -> Iterator[Served]:
    with served(tmp_path, tree.root, "--most-per-user", "128") as daemon:
        yield daemon


def test_two_clients_record_the_same_energy_each_whole(daemon: Served, tree: Tree, tmp_path: Path) -> None:
    with Other(daemon.socket) as first, Other(daemon.socket) as second:
        recordings = [one.ask("start", keep_all=True)["recording"] for one in (first, second)]
        first.ask("work", seconds=2)
        for number, (one, recording) in enumerate(zip((first, second), recordings, strict=True)):
            (tmp_path / str(number)).mkdir()
            one.ask("stop", recording=recording)
            one.ask("fetch", recording=recording, to=str(tmp_path / str(number)))
            Recorded(tmp_path / str(number)).assert_whole(tree)


def test_a_hundred_clients_record_each_whole_in_bounded_memory(daemon: Served, tree: Tree, tmp_path: Path) -> None:
    with ExitStack() as stack:
        clients = []
        for _ in range(100):
            clients.append(Client(daemon.socket))
            stack.callback(clients[-1].close)
        options = StartOptions(period_ns=20_000_000)
        recordings = [client.start(options).recording for client in clients]
        time.sleep(2)
        assert clients[0].describe().recordings == 100
        traces = [
            fetched(client, recording, tmp_path / "out" / str(number))
            for number, (client, recording) in enumerate(zip(clients, recordings, strict=True))
        ]
    assert daemon.resident_mib() < 500
    for trace in traces:
        trace.assert_whole(tree)


def test_a_client_that_dies_without_a_word_leaves_a_trace_that_is_cut(
    daemon: Served, tree: Tree, tmp_path: Path
) -> None:
    with Other(daemon.socket) as client, Other(daemon.socket) as root:
        recording = client.ask("start")["recording"]
        client.ask("note", recording=recording, texts=["still here"])
        client.ask("work", seconds=2)
        client.kill()
        wait_until(lambda: root.ask("describe") == 0)
        (tmp_path / "out").mkdir()
        root.ask("fetch", recording=recording, to=str(tmp_path / "out"))
    trace = Recorded(tmp_path / "out")
    trace.assert_whole(tree, state="cut")
    assert trace.metadata["log"] == ["still here"]


def test_a_client_that_never_stops_is_recorded_until_its_process_ends(
    daemon: Served, tree: Tree, tmp_path: Path
) -> None:
    with Other(daemon.socket) as client, Other(daemon.socket) as root:
        recording = client.ask("start")["recording"]
        client.ask("work", seconds=2)
        with pytest.raises(RefusedError, match="still runs; stop it first"):
            client.ask("fetch", recording=recording)
        assert client.process.stdin is not None
        client.process.stdin.close()
        assert client.process.wait(20) == 0
        wait_until(lambda: root.ask("describe") == 0)
        (tmp_path / "out").mkdir()
        root.ask("fetch", recording=recording, to=str(tmp_path / "out"))
    Recorded(tmp_path / "out").assert_whole(tree, state="cut")


def test_malformed_and_oversized_messages_are_refused_and_the_recording_goes_on(
    daemon: Served, tree: Tree, tmp_path: Path
) -> None:
    options = [("grpc.default_authority", "localhost")]
    with grpc.insecure_channel(f"unix:{daemon.socket}", options=options) as channel:
        raw = {
            call: channel.stream_stream(f"/smaragdine.v1.Accountant/{call}")
            if call == "Record"
            else channel.unary_stream(f"/smaragdine.v1.Accountant/{call}")
            for call in ("Describe", "Start", "Record", "Stop", "Fetch", "Watch", "Release")
        }
        client = Client(daemon.socket)
        recording = client.start(StartOptions(keep_all=True)).recording
        for call, ask in raw.items():
            garbage = b"\xff" * 64
            with pytest.raises(grpc.RpcError) as refused:
                list(ask(iter([garbage])) if call == "Record" else ask(garbage))
            assert refused.value.code() is grpc.StatusCode.INTERNAL
        oversized = trace_pb2.Note(text="x" * (5 << 20))
        first = pb.RecordRequest(recording=recording, sequence=1, note=trace_pb2.Note(text="whole"))
        requests = [first, pb.RecordRequest(sequence=2, note=oversized)]
        answers = raw["Record"](iter([request.SerializeToString() for request in requests]))
        assert pb.RecordResponse.FromString(next(answers)).acknowledged == 1
        with pytest.raises(grpc.RpcError, match="4194304"):
            next(answers)
        with pytest.raises(SmaragdineError, match="64 KiB"):
            client.start(StartOptions(name="x" * 100_000))
        time.sleep(2)
        trace = fetched(client, recording, tmp_path / "out")
        client.close()
    trace.assert_whole(tree)
    assert trace.metadata["log"] == ["whole"]


def test_a_client_that_floods_is_slowed_down_and_one_that_never_reads_holds_next_to_nothing(
    daemon: Served, tree: Tree, tmp_path: Path
) -> None:
    flooded, deaf = Client(daemon.socket), Client(daemon.socket)
    recording, other = flooded.start(StartOptions(keep_all=True)).recording, deaf.start(StartOptions()).recording
    pair = ClockPair.now()
    note = Note("x" * (1 << 20))
    sent = 600
    before = daemon.resident_mib()
    start = time.monotonic()
    # It never looks at what it is told.
    answers = deaf.record(other, (Stamped(number, pair, Note("y" * 1000)) for number in range(1, 10**6)))
    next(answers)
    messages = (Stamped(number, pair, note) for number in range(1, sent + 1))
    told = list(flooded.record(recording, messages))
    seconds = time.monotonic() - start
    assert [answer.acknowledged for answer in told] == list(range(1, sent + 1))
    assert not any(answer.problem for answer in told)
    # 256 MiB pass at once, the rest at 64 MiB a second.
    assert seconds > (sent - 256) / 64 * 0.95
    assert daemon.resident_mib() - before < 100
    flooded.close()
    deaf.close()
    with Other(daemon.socket) as root:
        (tmp_path / "out").mkdir()
        root.ask("stop", recording=recording)
        root.ask("fetch", recording=recording, to=str(tmp_path / "out"))
    Recorded(tmp_path / "out").assert_whole(tree)
