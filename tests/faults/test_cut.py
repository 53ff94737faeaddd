"""A recording that was cut says so, and how much of the run is missing, wherever its numbers are read."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from served import served, wait_until
from smaragdine import Trace
from smaragdine.cli import main
from smaragdine.daemon.client import Piece
from smaragdine.recording.output import Output
from smaragdine.trace.metadata import Metadata
from testbed import synthetic_trace
from testbed.hardware import Tree
from testbed.sealed import seal_trace

RUN = [sys.executable, "-c", "import sys; from smaragdine.cli import main; sys.exit(main())", "run", "-o"]
MISSING = re.compile(r"cut: the last ([\d.]+) s of ([\d.]+) s are missing")


def environment(tree: Tree, there: Path, **more: str) -> dict[str, str]:
    ours = {name: value for name, value in os.environ.items() if not name.startswith("SMARAGDINE_")}
    roots = {"POWERCAP_ROOT": tree.root, "HWMON_ROOT": there / "none", "NVML_LIBRARY": there / "none"}
    return {**ours, **{f"SMARAGDINE_{name}": str(root) for name, root in roots.items()}, **more}


def told(*arguments: str, capsys: pytest.CaptureFixture[str]) -> str:
    assert main(arguments) == 0
    return capsys.readouterr().out


def test_run_and_footprint_say_how_much_is_missing_where_the_service_went_and_came_back(
    tmp_path: Path, tree: Tree, capsys: pytest.CaptureFixture[str]
) -> None:
    output, places = tmp_path / "out", environment(tree, tmp_path, SMARAGDINE_SOCKET=str(tmp_path / "s"))
    with served(tmp_path, tree.root) as daemon:
        began = time.monotonic()
        run = subprocess.Popen([*RUN, str(output), "--", "sleep", "4"], env=places, stderr=subprocess.PIPE, text=True)
        wait_until(lambda: list(daemon.state_dir.glob("*/journal")))
        time.sleep(1.0)
        recorded_s = time.monotonic() - began
    with served(tmp_path, tree.root):
        said = run.communicate()[1]
    assert run.returncode == 0
    cut = MISSING.search(said)
    assert cut, said
    missing_s, whole_s = map(float, cut.groups())
    assert whole_s >= 4.0 and whole_s - missing_s <= recorded_s + 0.5, said
    assert re.search(r"smaragdine: [\d.]+ m?s of [\d.]+ s \(cut\); CPU:0", said), said
    for command in (["footprint"], ["ledger"], ["ledger", "--format", "csv"]):
        assert cut[0] in told(*command, str(output), capsys=capsys).splitlines()[0]
    assert cut[0] in json.loads(told("footprint", str(output), "--format", "json", capsys=capsys))["coverage"][0]
    assert cut[0] in json.loads(told("ledger", str(output), "--format", "json", capsys=capsys))["cut"]
    told("report", str(output), "-o", str(tmp_path / "report.html"), capsys=capsys)
    assert cut[0] in (tmp_path / "report.html").read_text()


def daemon_of(output: Path) -> int:
    """The private daemon that records into OUTPUT."""
    socket = json.loads((output / "trace.json").read_text())["socket"]
    found = subprocess.run(["pgrep", "-f", f"serve --socket {socket} "], capture_output=True, text=True, check=True)
    return int(found.stdout.split()[0])


def begun(output: Path) -> bool:
    try:
        return "socket" in json.loads((output / "trace.json").read_text())
    except (OSError, ValueError):
        return False


def test_what_a_killed_private_daemon_missed_is_told_once_the_trace_is_recovered(
    tmp_path: Path, tree: Tree, capsys: pytest.CaptureFixture[str]
) -> None:
    output, places = tmp_path / "out", environment(tree, tmp_path, TMPDIR=str(tmp_path))
    run = subprocess.Popen([*RUN, str(output), "--", "sleep", "4"], env=places, stderr=subprocess.PIPE, text=True)
    wait_until(lambda: begun(output))
    # A journal is written in batches of half a second: the last one is lost.
    time.sleep(2.0)
    os.kill(daemon_of(output), signal.SIGKILL)
    assert "smaragdine recover" in run.communicate()[1]
    assert main(["recover", str(output)]) == 0
    capsys.readouterr()
    cut = MISSING.search(told("footprint", str(output), capsys=capsys))
    assert cut and float(cut[2]) >= 4.0 and float(cut[1]) <= float(cut[2]) - 0.9


def test_a_program_that_was_killed_misses_nothing_of_what_it_ran_and_a_daemon_killed_with_it_does_not_know(
    tmp_path: Path, tree: Tree, capsys: pytest.CaptureFixture[str]
) -> None:
    program = "import smaragdine, sys, time\nwith smaragdine.record(sys.argv[1]): time.sleep(60)"
    for name, both in (("program", False), ("both", True)):
        output, places = tmp_path / name, environment(tree, tmp_path, TMPDIR=str(tmp_path))
        with subprocess.Popen([sys.executable, "-c", program, str(output)], env=places) as training:
            wait_until(lambda output=output: begun(output))
            # A journal is written in batches of half a second.
            time.sleep(1.5)
            daemon = daemon_of(output)
            if both:
                os.kill(daemon, signal.SIGKILL)
            training.kill()
        wait_until(lambda daemon=daemon: not Path(f"/proc/{daemon}/root/").exists())
        assert main(["recover", str(output)]) == 0
        capsys.readouterr()
        first = told("footprint", str(output), capsys=capsys).splitlines()[0]
        assert ("is not known" in first) == both and ("nothing is missing" in first) != both, first


S = 1_000_000_000


def metadata(tmp_path: Path, **fields: Any) -> Metadata:
    path = synthetic_trace.write(tmp_path / "trace", speed=1.0)
    raw = json.loads((path / "trace.json").read_text())
    (path / "trace.json").write_text(json.dumps({**raw, "start_ns": 0, "end_ns": 6 * S, **fields}))
    return Metadata.read(seal_trace(path))


def test_a_cut_is_told_in_one_sentence_with_what_is_known_of_it(tmp_path: Path) -> None:
    def cut(**fields: Any) -> str | None:
        return metadata(tmp_path, **fields).cut

    assert cut(state="complete") is None
    assert cut(state="complete", program_end_ns=9 * S) is None
    assert cut(state="cut") == "cut: 6.00 s were recorded; how long the program went on, unmeasured, is not known"
    assert cut(state="cut", program_end_ns=15 * S) == (
        "cut: the last 9.00 s of 15.0 s are missing: nobody measured them"
    )
    for program_end_ns in (6 * S, 0, -1):
        assert "nothing is missing" in str(cut(state="cut", program_end_ns=program_end_ns))
    assert cut(state="cut", end_ns=None) == "cut: the recording did not end, and how long it lasted is not known"
    assert "cut" in Trace.open(tmp_path / "trace").coverage().sentence().split(";")[0]


def test_files_and_the_names_that_lead_to_them_are_on_the_disk_before_the_daemon_may_forget_its_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[tuple[int, int]] = []
    fsync = os.fsync

    def noted(descriptor: int) -> None:
        status = os.fstat(descriptor)
        synced.append((status.st_dev, status.st_ino))
        fsync(descriptor)

    output = Output.claim(tmp_path / "new" / "out")
    monkeypatch.setattr(os, "fsync", noted)
    pieces = [Piece("readings.parquet", b"readings", True), Piece("trace.json", b'{"state": "complete"}', True)]
    output.receive(iter(pieces))
    there = [output.path / "readings.parquet", output.path / "trace.json"]
    for path in (*there, output.path, output.path.parent, tmp_path):
        status = path.stat()
        assert (status.st_dev, status.st_ino) in synced, path
    # The table before the file that says that all is there.
    order = [synced.index((path.stat().st_dev, path.stat().st_ino)) for path in there]
    assert order == sorted(order)
    status = output.path.stat()
    assert synced[-1] != (status.st_dev, status.st_ino) or synced.count((status.st_dev, status.st_ino)) > 1


def test_a_disk_that_fails_when_files_are_synced_leaves_the_daemon_its_copy(
    tmp_path: Path, tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    import smaragdine

    def fails(_: int) -> None:
        raise OSError(5, "Input/output error")

    for name, value in environment(tree, tmp_path).items():
        monkeypatch.setenv(name, value)
    with served(tmp_path, tree.root) as daemon:
        monkeypatch.setenv("SMARAGDINE_SOCKET", str(daemon.socket))
        with smaragdine.record(tmp_path / "out") as recording:
            monkeypatch.setattr(os, "fsync", fails)
        assert recording.state == "failed"
        assert list(daemon.state_dir.glob("*/journal"))
        monkeypatch.undo()
        assert json.loads((tmp_path / "out" / "trace.json").read_text())["state"] == "recording"
        assert main(["recover", str(tmp_path / "out")]) == 0
    assert Trace.open(tmp_path / "out").metadata.state == "complete"
