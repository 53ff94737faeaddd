"""Attacks by users who may use a shared daemon, on another one who records at the same time."""

from __future__ import annotations

import subprocess
from contextlib import ExitStack
from pathlib import Path

import pytest
from attack import WHOLE
from confined import memory_of

from served import Other, Recorded, needs_root, served
from testbed.hardware import Tree

ALICE, CROWD = 61_001, (61_011, 61_012, 61_013)
USERS = 62_001
WORK_S = 30 if WHOLE else 3
# Of another user, whom nothing of this checkout may be open to.
PYTHON = Path("/usr/bin/python3")

# Connections that open and say half a sentence, as many at once as are to be had; with a pause, 1500 a second of all
# the crowd, without one as many as the machine can make.
KNOCK = """
import socket, sys, time
until, pause_s, held = time.monotonic() + float(sys.argv[2]), float(sys.argv[3]), []
said = b"PRI * HTTP/2.0\\r\\n\\r\\nSM\\r\\n\\r\\n" + bytes([0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 3, 127, 255, 255, 255])
while time.monotonic() < until:
    try:
        one = socket.socket(socket.AF_UNIX)
        one.settimeout(0.2)
        one.connect(sys.argv[1])
        one.send(said)
        held.append(one)
        time.sleep(pause_s)
    except OSError:
        held = held[len(held) // 2:]
        time.sleep(5 * pause_s)
"""
STARTS = 12 if WHOLE else 3


def crowd(stack: ExitStack, socket: Path, seconds: float, *, pause_s: float) -> list[subprocess.Popen[bytes]]:
    """Three users who knock, until the stack is left."""
    if not PYTHON.exists():
        pytest.skip("there is no interpreter that another user may run")
    knocking = []
    for uid in CROWD:
        command = ["setpriv", f"--reuid={uid}", f"--regid={uid}", f"--groups={USERS}", PYTHON, "-c", KNOCK, socket]
        one = subprocess.Popen([*command, str(seconds), str(pause_s)], stderr=subprocess.DEVNULL)
        knocking.append(one)
        stack.callback(one.wait)
        stack.callback(one.kill)
    return knocking


@needs_root
@pytest.mark.parametrize("memory_mib", [None, 256])
def test_a_crowd_that_knocks_costs_another_user_nothing_of_a_recording(
    open_to_all: Path, tree: Tree, memory_mib: int | None
) -> None:
    with ExitStack() as stack:
        before = stack.enter_context(memory_of(memory_mib)) if memory_mib else []
        daemon = stack.enter_context(served(open_to_all, tree.root, "--group", str(USERS), before=before))
        alice = stack.enter_context(Other(daemon.socket, uid=ALICE, groups=[USERS]))
        knocking = crowd(stack, daemon.socket, WORK_S + 1, pause_s=0.002)
        recording = alice.ask("start")["recording"]
        alice.ask("work", seconds=WORK_S)
        assert any(one.poll() is None for one in knocking), "the crowd is still there"
        alice.ask("stop", recording=recording)
        output = open_to_all / "out"
        output.mkdir()
        output.chmod(0o777)
        alice.ask("fetch", recording=recording, to=str(output))
        alice.ask("release", recording=recording)
        Recorded(output).assert_whole(tree)


@needs_root
def test_a_crowd_that_knocks_as_often_as_it_can_costs_no_user_a_start_or_a_stop(open_to_all: Path, tree: Tree) -> None:
    with ExitStack() as stack:
        daemon = stack.enter_context(served(open_to_all, tree.root, "--group", str(USERS)))
        knocking = crowd(stack, daemon.socket, 600, pause_s=0)
        for number in range(STARTS):
            with Other(daemon.socket, uid=ALICE, groups=[USERS]) as alice:
                recording = alice.ask("start_as_programs_do")["recording"]
                alice.ask("work", seconds=0.5)
                alice.ask("stop", recording=recording)
                output = open_to_all / str(number)
                output.mkdir()
                output.chmod(0o777)
                alice.ask("fetch", recording=recording, to=str(output))
                alice.ask("release", recording=recording)
        assert all(one.poll() is None for one in knocking), "the crowd is still there"
