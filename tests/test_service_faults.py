"""The fault suite of the daemon and its clients: what each fault leaves of the energy. One row of
docs/reliability.md each."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import grpc
import pytest

from hardware import Tree, powercap_tree
from served import Other, Recorded, RefusedError, Served, needs_root, served, wait_until
from smaragdine.cli import main
from smaragdine.client import Client, StartOptions
from smaragdine.errors import SmaragdineError
from smaragdine.messages import ClockPair, Note, Stamped
from smaragdine.output import Output
from smaragdine.v1 import accountant_pb2 as pb
from smaragdine.v1 import trace_pb2

# What every fault may leave of error in the energy of a register (docs/reliability.md).
MOST_ERROR = 0.001


@pytest.fixture
def tree(tmp_path: Path) -> Iterator[Tree]:
    with powercap_tree(tmp_path / "tree") as tree:
        yield tree


@pytest.fixture
def daemon(tmp_path: Path, tree: Tree) -> Iterator[Served]:
    with served(tmp_path, tree.root, "--most-per-user", "128") as daemon:
        yield daemon


def fetched(client: Client, recording: str, to: Path) -> Recorded:
    """Stops a recording and fetches its trace, as a program does at its end."""
    client.stop(recording)
    Output.claim(to).receive(client.fetch(recording))
    client.release(recording)
    return Recorded(to)


def assert_whole(trace: Recorded, tree: Tree, *, state: str = "complete") -> None:
    assert trace.metadata["state"] == state
    assert trace.energy_error(tree) <= MOST_ERROR
    assert trace.holes_ns() == 0
    assert trace.ledger_error() <= 1e-9


def test_two_clients_record_the_same_energy_each_whole(daemon: Served, tree: Tree, tmp_path: Path) -> None:
    with Other(daemon.socket) as first, Other(daemon.socket) as second:
        recordings = [one.ask("start", keep_all=True)["recording"] for one in (first, second)]
        first.ask("work", seconds=2)
        for number, (one, recording) in enumerate(zip((first, second), recordings, strict=True)):
            (tmp_path / str(number)).mkdir()
            one.ask("stop", recording=recording)
            one.ask("fetch", recording=recording, to=str(tmp_path / str(number)))
            assert_whole(Recorded(tmp_path / str(number)), tree)


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
        assert_whole(trace, tree)


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
    assert_whole(trace, tree, state="cut")
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
    assert_whole(Recorded(tmp_path / "out"), tree, state="cut")


# What a training does: it says how far it is, and lets the fault come.
TRAINING = """
import sys, time, smaragdine
with smaragdine.record(sys.argv[1]) as recording:
    for step in range(10_000):
        with recording.step():
            time.sleep(0.01)
        print(step, flush=True)
"""


FIRST_STEPS = 200


@contextmanager
def training(output: Path, tree: Tree, temporary: Path, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """A program that records itself with a daemon of its own, some steps after its start."""
    temporary.mkdir(exist_ok=True)
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("SMARAGDINE_S", "XDG_RUNTIME"))}
    fakes = {"SMARAGDINE_POWERCAP_ROOT": str(tree.root), "SMARAGDINE_NVML_LIBRARY": "/nonexistent"}
    fakes["SMARAGDINE_HWMON_ROOT"] = "/nonexistent"
    command = [sys.executable, "-c", TRAINING, str(output)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=clean | {"TMPDIR": str(temporary)} | fakes | environment
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if int(line) == FIRST_STEPS:
                break
        yield process
        process.kill()


def private_daemon(output: Path) -> int:
    """The pid of the daemon that records into `output`."""
    socket = json.loads((output / "trace.json").read_text())["socket"]
    listed = subprocess.run(["pgrep", "-f", f"serve --socket {socket} "], capture_output=True, text=True, check=True)
    return int(listed.stdout)


def last_step(process: subprocess.Popen[str]) -> int:
    """The last step that a program told of before it died."""
    assert process.stdout is not None
    return int([str(FIRST_STEPS), *process.stdout.read().splitlines()][-1])


def test_a_training_that_is_killed_is_recovered_but_for_the_last_second(tree: Tree, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with training(out, tree, tmp_path / "tmp") as process:
        daemon = private_daemon(out)
        process.kill()
        last = last_step(process)
    wait_until(lambda: not Path(f"/proc/{daemon}").exists())
    assert main(["recover", str(out)]) == 0
    trace = Recorded(out)
    assert_whole(trace, tree, state="cut")
    ((recovered,),) = trace.sql("select max(step) from {steps}")
    # A step takes 10 ms and more.
    assert last - recovered <= 100
    assert list((tmp_path / "tmp").iterdir()) == []


def test_a_daemon_that_is_killed_loses_at_most_the_last_second_and_the_training_goes_on(
    tree: Tree, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    with training(out, tree, tmp_path / "tmp") as process:
        daemon = private_daemon(out)
        before_ns = time.monotonic_ns()
        os.kill(daemon, signal.SIGKILL)
        assert process.stdout is not None
        told = int(process.stdout.readline())
        while int(process.stdout.readline()) < told + 20:
            pass
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == -signal.SIGTERM
    assert main(["recover", str(out)]) == 0
    trace = Recorded(out)
    assert_whole(trace, tree, state="cut")
    lost_ns = before_ns - (trace.metadata["end_ns"] - trace.metadata["realtime_offset_ns"])
    assert lost_ns <= 1_000_000_000
    ((steps,),) = trace.sql("select count(*) from {steps}")
    assert told - steps <= 100


def test_a_job_that_gets_sigterm_everywhere_saves_everything_within_30_seconds(tree: Tree, tmp_path: Path) -> None:
    """As batch systems end a job: every process of it is told, the daemon as well as the training."""
    out = tmp_path / "out"
    with training(out, tree, tmp_path / "tmp") as process:
        daemon = private_daemon(out)
        start = time.monotonic()
        os.kill(daemon, signal.SIGTERM)
        process.send_signal(signal.SIGTERM)
        last = last_step(process)
        assert process.wait(30) == -signal.SIGTERM
        wait_until(lambda: not Path(f"/proc/{daemon}").exists(), 30 - (time.monotonic() - start))
    trace = Recorded(out)
    assert_whole(trace, tree)
    ((recovered,),) = trace.sql("select max(step) from {steps}")
    assert recovered >= last
    assert list((tmp_path / "tmp").iterdir()) == []


def test_a_network_home_gets_the_trace_and_nothing_else(
    tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    for place in ("tmp", "run"):
        (home / place).mkdir(parents=True)
    mounts = tmp_path / "mountinfo"
    real = Path("/proc/self/mountinfo").read_text()
    mounts.write_text(f"{real}99 1 0:99 / {home} rw - nfs4 server:/home rw\n")
    monkeypatch.setattr("smaragdine.local._MOUNTS", mounts)
    monkeypatch.setattr("tempfile.tempdir", str(home / "tmp"))
    monkeypatch.setattr("smaragdine.daemon.SYSTEM_SOCKET", tmp_path / "none")
    for name, value in {
        "XDG_RUNTIME_DIR": str(home / "run"),
        "HOME": str(home),
        "SMARAGDINE_POWERCAP_ROOT": str(tree.root),
        "SMARAGDINE_NVML_LIBRARY": "/nonexistent",
        "SMARAGDINE_HWMON_ROOT": "/nonexistent",
    }.items():
        monkeypatch.setenv(name, value)
    import smaragdine

    with smaragdine.record(home / "out") as recording:
        running = json.loads((home / "out" / "trace.json").read_text())
        time.sleep(2)
    for place in (running["state_dir"], running["socket"], recording.socket):
        assert not Path(place).is_relative_to(home)
    assert list((home / "tmp").iterdir()) == []
    assert_whole(Recorded(home / "out"), tree)


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
    assert_whole(trace, tree)
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
    assert_whole(Recorded(tmp_path / "out"), tree)


@contextmanager
def small_disk(at: Path, mebibytes: int) -> Iterator[Path]:
    at.mkdir()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"tmpfs", os.fsencode(at), b"tmpfs", 0, f"size={mebibytes}m".encode()) != 0:
        pytest.skip(f"no file system can be mounted here: {os.strerror(ctypes.get_errno())}")
    try:
        yield at
    finally:
        libc.umount2(os.fsencode(at), 2)


def fill(disk: Path) -> Path:
    """Takes all the room that there is."""
    filler = disk / "filler"
    with filler.open("ab", buffering=0) as file:
        for size in (1 << 20, 4096):
            try:
                while file.write(b"\0" * size):
                    pass
            except OSError:
                pass
    return filler


@needs_root
def test_a_full_disk_loses_no_energy_only_resolution_and_says_so(tmp_path: Path, tree: Tree) -> None:
    with small_disk(tmp_path / "disk", 32) as disk, served(tmp_path, tree.root, state_dir=disk / "state") as daemon:
        client = Client(daemon.socket)
        # Fast, so that the room that is held ahead does not last.
        recording = client.start(StartOptions(keep_all=True, period_ns=500_000)).recording
        time.sleep(1)
        filler = fill(disk)
        time.sleep(1.5)
        pair = ClockPair.now()
        (told,) = client.record(recording, [Stamped(1, pair, Note("no room for this"))])
        assert (told.advice, "no room is left" in str(told.problem)) == ("pause", True)
        time.sleep(8)
        fill(disk)
        time.sleep(3)
        filler.unlink()
        time.sleep(1.5)
        (told,) = client.record(recording, [Stamped(2, pair, Note("room again"))])
        assert told.problem is None
        trace = fetched(client, recording, tmp_path / "out")
        client.close()
    assert_whole(trace, tree)
    assert trace.metadata["log"] == ["room again"]
    warnings = " ".join(trace.metadata["warnings"])
    assert "readings were merged" in warnings
    assert "1 of the program's messages were left out" in warnings


@needs_root
def test_a_disk_that_stays_full_leaves_a_journal_that_becomes_a_trace_elsewhere(tmp_path: Path, tree: Tree) -> None:
    with small_disk(tmp_path / "disk", 32) as disk:
        with served(tmp_path, tree.root, state_dir=disk / "state") as daemon:
            client = Client(daemon.socket)
            started = client.start(StartOptions(keep_all=True))
            time.sleep(1)
            fill(disk)
            time.sleep(3)
            fill(disk)
            killed_ns = time.monotonic_ns()
            client.close()
        Output.claim(tmp_path / "out").begin(started.trace_json, daemon.socket, started.recording, started.state_dir)
        assert main(["recover", str(tmp_path / "out")]) == 0
    trace = Recorded(tmp_path / "out")
    assert_whole(trace, tree, state="cut")
    lost_ns = killed_ns - (trace.metadata["end_ns"] - trace.metadata["realtime_offset_ns"])
    assert lost_ns <= 1_500_000_000


@needs_root
def test_an_output_on_a_full_disk_is_fetched_once_there_is_room(tmp_path: Path, tree: Tree) -> None:
    with small_disk(tmp_path / "disk", 4) as disk, served(tmp_path, tree.root) as daemon:
        client = Client(daemon.socket)
        started = client.start(StartOptions(keep_all=True))
        output = Output.claim(disk / "out")
        output.begin(started.trace_json, daemon.socket, started.recording, started.state_dir)
        time.sleep(2)
        filler = fill(disk)
        client.stop(started.recording)
        with pytest.raises(OSError, match="No space left"):
            output.receive(client.fetch(started.recording))
        filler.unlink()
        assert main(["recover", str(disk / "out")]) == 0
        client.close()
        assert_whole(Recorded(disk / "out"), tree)
        assert list(daemon.state_dir.glob("*/journal")) == []
