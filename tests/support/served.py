"""A real daemon on a socket of its own, and clients that are processes of their own, as other users if need be."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pytest

from smaragdine.daemon.binary import find_binary
from smaragdine.daemon.client import Client
from smaragdine.daemon.running import refusal
from smaragdine.recording.output import Output
from testbed.hardware import Tree

# What every fault may leave of error in the energy of a register (docs/reliability.md).
MOST_ERROR = 0.001

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes another user, or mounts file systems")


class Served:
    """A daemon that runs."""

    def __init__(self, process: subprocess.Popen[bytes], socket: Path, state_dir: Path) -> None:
        self.process = process
        self.socket = socket
        self.state_dir = state_dir

    def resident_mib(self) -> float:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmRSS"))


@contextmanager
def served(
    directory: Path,
    powercap: Path | None,
    *options: str,
    state_dir: Path | None = None,
    socket: Path | None = None,
    before: Sequence[str] = (),
) -> Iterator[Served]:
    """smaragdined until the block ends, with no sensor but `powercap`; `before` is a command that becomes it."""
    socket, state = socket or directory / "s", state_dir or directory / "state"
    command = [*before, str(find_binary()), "serve", "--socket", str(socket), "--state-dir", str(state)]
    command += ["--powercap-root", str(powercap or directory / "none"), "--hwmon-root", str(directory / "none")]
    command += ["--nvml-library", str(directory / "none"), *options]
    command += [] if "--grace" in options else ["--grace", "0.2s"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SMARAGDINE_")}
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, env=environment | {"RUST_LOG": "warn"}) as process:
        try:
            wait_until(lambda: refusal(socket) is None or process.poll() is not None)
            assert process.poll() is None, "the daemon does not serve"
            yield Served(process, socket, state)
        finally:
            process.kill()


def wait_until(condition: Any, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.02)


class RefusedError(Exception):
    """What a client was told instead of an answer; `code` as gRPC names it."""

    def __init__(self, code: str, told: str) -> None:
        super().__init__(f"{code}: {told}")
        self.code = code
        self.told = told


class Other:
    """A client in a process of its own; `uid` and `groups` make it another user's, `before` runs it elsewhere."""

    def __init__(self, socket: Path, *, uid: int = 0, groups: Sequence[int] = (), before: Sequence[str] = ()) -> None:
        command = [*before, sys.executable, str(Path(__file__).with_name("one_client.py")), str(socket), str(uid)]
        command += [str(group) for group in groups]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self) -> Other:
        return self

    def __exit__(self, *error: object) -> None:
        self.kill()

    def ask(self, call: str, **arguments: object) -> Any:
        """Lets the client make a call, as one_client.py lists them. Raises RefusedError."""
        self.tell(call, **arguments)
        return self.answer()

    def tell(self, call: str, **arguments: object) -> None:
        """Lets the client make a call without waiting for its `answer`."""
        assert self.process.stdin is not None
        print(json.dumps({"call": call, **arguments}), file=self.process.stdin, flush=True)

    def answer(self) -> Any:
        assert self.process.stdout is not None
        answer = json.loads(self.process.stdout.readline())
        if "code" in answer:
            raise RefusedError(answer["code"], answer["told"])
        return answer["answer"]

    def kill(self) -> None:
        self.process.kill()
        with self.process:
            pass


class Recorded:
    """A trace on disk."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.metadata = json.loads((path / "trace.json").read_text())

    def sql(self, query: str) -> list[tuple[Any, ...]]:
        """Over the trace's tables, written `{readings}`."""
        tables = {file.stem: f"'{file}'" for file in self.path.glob("*.parquet")}
        return duckdb.sql(query.format(**tables)).fetchall()

    def seconds(self) -> float:
        ((seconds,),) = self.sql("select (max(end_ns) - min(start_ns)) / 1e9 from {readings}")
        return float(seconds)

    def holes_ns(self) -> int:
        """Time between the first and the last reading that no reading covers."""
        ((holes,),) = self.sql(
            "select sum(length) from (select max(end_ns) - min(start_ns) - sum(end_ns - start_ns) as length"
            " from {readings} group by domain)"
        )
        return int(holes)

    def energy_error(self, tree: Tree, domain: str = "package-0", zone: str = "intel-rapl:0") -> float:
        """How far the readings of a domain are from what its register gained over them, as a fraction.

        From the end of the first reading to that of the last: of these two reads it is known between which instants
        they were made, so on a busy machine as on an idle one no more is asked than what they can have shown.
        """
        ((first, last),) = self.sql(
            f"""select arg_min({{{{'from': read_start_ns, 'to': read_end_ns, 'energy_j': energy_j}}}}, start_ns),
                       arg_max({{{{'from': read_start_ns, 'to': read_end_ns}}}}, start_ns)
                from {{readings}} where domain = '{domain}'"""
        )
        ((energy_j,),) = self.sql(f"select sum(energy_j) from {{readings}} where domain = '{domain}'")
        energy_j -= first["energy_j"]
        offset_ns = self.metadata["realtime_offset_ns"]
        edges = [(read["from"] - offset_ns, read["to"] - offset_ns) for read in (first, last)]
        wait_until(lambda: tree.truth.until_ns > edges[1][1])
        least_j, most_j = tree.truth.bounds_j(zone, *edges)
        return float(max(0.0, least_j - energy_j, energy_j - most_j) / least_j)

    def ledger_error(self) -> float:
        """How far the ledger is from the readings of counted domains, as a fraction."""
        ((ledger_j, readings_j),) = self.sql(
            "select (select sum(energy_j) from {ledger}), (select sum(energy_j) from {readings}"
            " where domain in (select distinct domain from {ledger}))"
        )
        return float(abs(ledger_j / readings_j - 1))

    def assert_whole(self, tree: Tree, *, state: str = "complete") -> None:
        """The register's energy without a hole, and a ledger that closes."""
        assert self.metadata["state"] == state
        assert self.energy_error(tree) <= MOST_ERROR
        assert self.holes_ns() == 0
        assert self.ledger_error() <= 1e-9


def fetched(client: Client, recording: str, to: Path) -> Recorded:
    """Stops a recording and fetches its trace, as a program does at its end."""
    client.stop(recording)
    Output.claim(to).receive(client.fetch(recording))
    client.release(recording)
    return Recorded(to)
