"""Temporary directories, sockets and OUTPUT of any name, by the real daemon: the name is an address between the two."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from served import served
from smaragdine import Trace
from smaragdine.cli import main
from smaragdine.daemon.address import Address
from smaragdine.daemon.client import Client, StartOptions
from smaragdine.errors import SmaragdineError
from smaragdine.files.local import private_directory

# Whatever means something in an address, a pattern, a list of mounts or a shell; and what is no text at all.
NAMES = [
    *(b"a,b", b"a#b", b"a?b", b"%41", b"100%", b"a b", b"\xc3\xbc", b"a\nb", b"a[1]*", b"a:b@c", b"a\\054b"),
    *(b"\"'$(x)`&;|", b"\xff\xfe"),
]
RECORD = """
import sys, smaragdine
with smaragdine.record(sys.argv[1]) as recording:
    with recording.step(): sum(range(1_000_000))
    print(recording.socket.parent.parent)
"""


def environment(there: Path, **places: bytes | str) -> dict[bytes, bytes]:
    """Without a sensor of this machine, nor a place of its own; the package is the one under test."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("SMARAGDINE_S", "SMARAGDINE_R"))}
    for name in ("XDG_RUNTIME_DIR", "TMPDIR"):
        ours.pop(name, None)
    for root in ("POWERCAP_ROOT", "HWMON_ROOT", "NVML_LIBRARY", "DRM_ROOT", "PERF_ROOT", "CRAY_ROOT"):
        ours[f"SMARAGDINE_{root}"] = str(there / "none")
    return {os.fsencode(name): os.fsencode(value) for name, value in {**ours, **places}.items()}


def recorded(output: Path | bytes, there: Path, **places: bytes | str) -> bytes:
    """Records in a program of its own; where its socket was, in bytes."""
    done = subprocess.run(
        [sys.executable, "-X", "utf8", "-c", RECORD, output], capture_output=True, env=environment(there, **places)
    )
    assert done.returncode == 0, done.stderr
    assert b"nothing is recorded" not in done.stderr, done.stderr
    return done.stdout.rstrip(b"\n")


def made(parent: Path, name: bytes) -> bytes:
    place = os.path.join(os.fsencode(parent), name)  # noqa: PTH118  bytes are no pathlib.Path
    os.makedirs(place)  # noqa: PTH103
    return place


@pytest.mark.parametrize("name", NAMES, ids=ascii)
@pytest.mark.parametrize("variable", ["TMPDIR", "XDG_RUNTIME_DIR"])
def test_a_temporary_directory_may_have_any_name(name: bytes, variable: str, tmp_path: Path) -> None:
    place = made(tmp_path, name)
    socket = recorded(tmp_path / "out", tmp_path, **{variable: place})
    assert json.loads((tmp_path / "out" / "trace.json").read_text())["state"] == "complete"
    assert (socket == place) == (name != b"\xff\xfe"), "what is no text is left aside"
    assert os.listdir(place) == []  # noqa: PTH208


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_a_daemon_s_socket_may_have_any_name(name: bytes, tmp_path: Path) -> None:
    socket = Path(os.fsdecode(made(tmp_path, name))) / os.fsdecode(name)
    with served(tmp_path, None, socket=socket):
        recorded(tmp_path / "out", tmp_path, SMARAGDINE_SOCKET=bytes(socket))
    assert Trace.open(tmp_path / "out").modelled


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_an_output_may_have_any_name(name: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = os.path.join(os.fsencode(tmp_path), name)  # noqa: PTH118
    recorded(output, tmp_path, TMPDIR=os.fsencode(tmp_path))
    trace = Path(os.fsdecode(output))
    if name == b"\xff\xfe":
        with pytest.raises(SmaragdineError, match="is not UTF-8"):
            Trace.open(trace)
        return
    assert len(Trace.open(trace).steps) == 1
    assert main(["account", str(trace), "--policy", "recency"]) == 0
    assert main(["ledger", str(trace), "--format", "csv"]) == 0
    assert "package" in capsys.readouterr().out


@pytest.mark.parametrize("name", [b"x" * 90, b"absent", b"/dev/null", b"relative/../."])
@pytest.mark.parametrize("variable", ["TMPDIR", "XDG_RUNTIME_DIR", "SMARAGDINE_STATE_DIR"])
def test_a_place_that_cannot_hold_it_is_left_for_another(name: bytes, variable: str, tmp_path: Path) -> None:
    place = name if name.startswith(b"/") else os.path.join(os.fsencode(tmp_path), name)  # noqa: PTH118
    if name == b"x" * 90:
        os.makedirs(place)  # noqa: PTH103
    socket = recorded(tmp_path / "out", tmp_path, **{variable: place})
    assert json.loads((tmp_path / "out" / "trace.json").read_text())["state"] == "complete"
    assert not socket.startswith(place)


def test_a_recording_in_an_odd_place_is_recovered_from_there(tmp_path: Path) -> None:
    place = made(tmp_path, b"job,1 #%41\xc3\xbc\n")
    command = [sys.executable, "-c", RECORD + "    print('recorded', flush=True); sys.stdin.read()", tmp_path / "out"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment(tmp_path, TMPDIR=place)
    ) as killed:
        assert killed.stdout is not None
        while killed.stdout.readline() != b"recorded\n":
            pass
        killed.kill()
    assert main(["recover", str(tmp_path / "out")]) == 0
    assert Trace.open(tmp_path / "out").metadata.state in ("cut", "complete")


@pytest.mark.parametrize("name", [b"job,1", b"job #%41\n", b"\xff"], ids=ascii)
def test_a_program_joins_the_recording_around_it_in_an_odd_place(name: bytes, tmp_path: Path) -> None:
    place = made(tmp_path, name)
    script = RECORD.replace("print(recording.socket.parent.parent)", "print(recording.id, recording.path)")
    command = [
        sys.executable,
        "-m",
        "smaragdine",
        "run",
        "-o",
        tmp_path / "out",
        "--",
        sys.executable,
        "-c",
        script,
        "x",
    ]
    done = subprocess.run(
        command, capture_output=True, env=environment(tmp_path, TMPDIR=place, XDG_RUNTIME_DIR=place), cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith(b" None\n")
    assert len(Trace.open(tmp_path / "out").steps) == 1
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("name", [b"a[1]*", b"a,b #%41", b"\xff"], ids=ascii)
def test_doctor_looks_at_a_machine_whose_temporary_directory_has_an_odd_name(name: bytes, tmp_path: Path) -> None:
    place = made(tmp_path, name)
    done = subprocess.run(
        [sys.executable, "-m", "smaragdine", "doctor"], capture_output=True, env=environment(tmp_path, TMPDIR=place)
    )
    assert done.returncode == 3
    assert b"Energy cannot be measured here" in done.stdout
    assert b"Traceback" not in done.stderr
    assert os.listdir(place) == []  # noqa: PTH208


def test_where_nothing_can_be_had_each_place_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("smaragdine.files.local._places", lambda: iter([tmp_path, tmp_path / "none"]))
    with pytest.raises(SmaragdineError, match="TMPDIR") as raised:
        private_directory(tmp_path / "absent", suits=lambda directory: False)
    assert f"{tmp_path}: its path is too long" in raised.value.message
    assert f"{tmp_path / 'absent'}: No such file" in raised.value.message
    assert list(tmp_path.iterdir()) == []


def test_a_plain_path_is_its_own_address_and_an_odd_one_is_held_until_it_is_closed(tmp_path: Path) -> None:
    assert Address(Path("/run/smaragdine/a-b_c.sock")).target == "unix:/run/smaragdine/a-b_c.sock"
    odd = tmp_path / "a,b"
    odd.touch()
    address = Address(odd)
    held = Path(address.target.removeprefix("unix:"))
    assert held.samefile(odd)
    address.close()
    address.close()
    assert not held.exists()
    assert Address(tmp_path / "no,ne").target.endswith("no%2Cne")


def test_a_client_of_an_odd_path_where_nobody_listens_is_told_the_path(tmp_path: Path) -> None:
    client = Client(tmp_path / "no,body%41")
    with pytest.raises(SmaragdineError, match="no,body%41"):
        client.start(StartOptions(), timeout_s=5)
    client.close()


@pytest.mark.parametrize("mode", [0o777, 0o775, 0o1777, 0o755])
def test_a_place_in_which_others_can_change_what_is_ours_is_left_for_another(tmp_path: Path, mode: int) -> None:
    place = tmp_path / "shared" / "below"
    place.mkdir(parents=True)
    place.parent.chmod(mode)
    socket = recorded(tmp_path / "out", tmp_path, TMPDIR=str(place))
    assert (socket == bytes(place)) == (mode in (0o1777, 0o755)), "sticky: others may add, and move nothing of ours"
    assert json.loads((tmp_path / "out" / "trace.json").read_text())["state"] == "complete"
