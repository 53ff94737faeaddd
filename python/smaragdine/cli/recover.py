"""`smaragdine recover`: the trace of a recording that did not end."""

from __future__ import annotations

import argparse
import json
import logging
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smaragdine import regular
from smaragdine.errors import SmaragdineError
from smaragdine.local import PREFIX

if TYPE_CHECKING:
    from smaragdine.client import Client

_LOG = logging.getLogger("smaragdine")


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "recover",
        help="rebuild a trace that a crash cut",
        description="Fetches or rebuilds what the daemon had measured when a recording was cut off.",
    )
    parser.add_argument("output", type=Path, metavar="OUTPUT", help="the directory that the recording was to write")


def run(arguments: argparse.Namespace) -> int:
    output: Path = arguments.output
    metadata = _metadata(output)
    if metadata.get("state") != "recording":
        print(f"{output} is {metadata.get('state')}: there is nothing to recover")
        return 0
    if not metadata.get("recording"):
        raise SmaragdineError(
            f"the recording of {output} was ended before it began: nothing was measured", hint="remove the directory"
        )
    if not _fetched(output, metadata):
        from smaragdine.daemon import find_binary

        command = [str(find_binary()), "recover", str(output), "--output", str(output)]
        if isinstance(program_end_ns := metadata.get("program_end_ns"), int):
            command += [f"--program-end={program_end_ns}"]
        done = subprocess.run(command, check=False)
        if done.returncode:
            return done.returncode
        _clean(Path(str(metadata.get("state_dir") or "")), Path(str(metadata.get("socket") or "")), output)
    print(f"recovered {output}")
    return 0


def _metadata(output: Path) -> dict[str, Any]:
    try:
        text = regular.read(output / "trace.json")
        return dict(json.loads(text)) if text.strip(b"\0") else {"state": "recording"}
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise SmaragdineError(
            f"{output} holds no recording: {getattr(error, 'strerror', None) or 'its trace.json cannot be read'}",
            hint="name the OUTPUT of the recording that was cut off",
        ) from error


def _fetched(output: Path, metadata: dict[str, Any]) -> bool:
    """Whether the daemon still lives and gave the trace: it ends a recording whose program has gone.

    Raises `SmaragdineError` where the recording still runs.
    """
    from smaragdine.client import Client
    from smaragdine.daemon import refusal
    from smaragdine.output import Output

    socket = Path(str(metadata.get("socket") or ""))
    if refusal(socket) is not None:
        return False
    client = Client(socket)
    try:
        client.describe()
        recording = str(metadata.get("recording"))
        Output(output, output, created=False).receive(client.fetch(recording))
        _release(client, recording)
    except SmaragdineError as error:
        if "still runs" in error.message:
            raise SmaragdineError(
                f"the recording of {output} still runs", hint="wait until its program has ended, or end it"
            ) from error
        return False
    finally:
        client.close()
    return True


def _release(client: Client, recording: str) -> None:
    """The trace is here; a private daemon, whose program has gone, may leave before it is told."""
    try:
        client.release(recording)
    except SmaragdineError as error:
        _LOG.debug("%s", error)


def _clean(state_dir: Path, socket: Path, output: Path) -> None:
    """Removes what a private daemon left in temporary space, once its trace is safe; its log is kept."""
    private = state_dir.parent
    log = private / "daemon.log"
    if private.name.startswith(PREFIX) and log.is_file():
        shutil.copyfile(log, output / "daemon.log")
        shutil.rmtree(private, ignore_errors=True)
        try:
            socket.parent.rmdir()
        except OSError:
            pass
