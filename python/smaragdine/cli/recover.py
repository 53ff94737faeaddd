"""`smaragdine recover`: the trace of a recording that did not end."""

from __future__ import annotations

import argparse
import json
import logging
import os
import stat
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smaragdine.cli.terminal import tell
from smaragdine.errors import SmaragdineError, TraceError, UsageError, changed
from smaragdine.files import regular
from smaragdine.files.ranks import is_job
from smaragdine.trace.seal import broken

if TYPE_CHECKING:
    from smaragdine.daemon.client import Client

_LOG = logging.getLogger("smaragdine")


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "recover",
        description="Fetches or rebuilds what the daemon had measured when a recording was cut off.",
    )
    parser.add_argument("output", type=Path, metavar="OUTPUT", help="the directory that the recording was to write")


def run(arguments: argparse.Namespace) -> int:
    output: Path = arguments.output
    if is_job(output):
        # Which of those that have not finished still records, only who started them knows.
        raise UsageError(
            f"{output} is a job, whose ranks are recovered one by one",
            f"opening it names those that have not finished; smaragdine recover {output}/host=…/rank=…",
        )
    metadata = _metadata(output)
    if metadata.get("state") != "recording":
        tell(f"{output} is {metadata.get('state')}: there is nothing to recover")
        return 0
    if not metadata.get("recording"):
        raise SmaragdineError(
            f"the recording of {output} was ended before it began: nothing was measured", hint="remove the directory"
        )
    if not _fetched(output, metadata) and (code := _rebuilt(output, metadata)):
        return code
    tell(f"recovered {output}")
    return 0


def _rebuilt(output: Path, metadata: dict[str, Any]) -> int:
    """Rebuilds the trace from the journal that a daemon left; the exit code of that."""
    from smaragdine.daemon.kept import Kept

    if regular.is_file(output / "journal"):
        return _rebuild(output, output, metadata)
    state_dir, socket = (Path(str(metadata.get(place) or "")) for place in ("state_dir", "socket"))
    with Kept.found(state_dir, str(metadata["recording"]), output) as kept:
        code = _rebuild(kept.path, output, metadata)
        if code == 0:
            kept.keep_log(output)
            kept.remove(socket)
        return code


def _rebuild(state_dir: Path, output: Path, metadata: dict[str, Any]) -> int:
    from smaragdine.daemon.binary import find_binary

    command: list[str | Path] = [find_binary(), "recover", state_dir, "--output", output]
    if isinstance(program_end_ns := metadata.get("program_end_ns"), int):
        command.append(f"--program-end={program_end_ns}")
    return subprocess.run(command, check=False).returncode


def _metadata(output: Path) -> dict[str, Any]:
    """What `trace.json` says: unsealed, as a recording began it, or as it was sealed at its end."""
    file, hint = output / "trace.json", "name the OUTPUT of the recording that was cut off"
    try:
        text = regular.read(file)
        fields = dict(json.loads(text)) if text.strip(b"\0") else {"state": "recording"}
        problem = broken(fields)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise SmaragdineError(f"{output} holds no recording: {error.strerror}", hint) from error
    except (OSError, ValueError, TypeError, RecursionError) as error:
        reason = getattr(error, "strerror", None) or "its trace.json cannot be read"
        raise TraceError(f"{output} holds no recording: {reason}", hint) from error
    if problem:
        raise changed(output, file.name, problem)
    if not isinstance(fields.get("state"), str):
        raise TraceError(f"{output} holds no recording: its trace.json tells no state", hint)
    return fields


def _fetched(output: Path, metadata: dict[str, Any]) -> bool:
    """Whether the daemon still lives and gave the trace: it ends a recording whose program has gone.

    Raises `SmaragdineError` where the recording still runs.
    """
    from smaragdine.daemon.client import Client
    from smaragdine.daemon.running import refusal
    from smaragdine.recording.output import Output

    socket = Path(str(metadata.get("socket") or ""))
    if not _trusted(socket) or refusal(socket) is not None:
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


def _trusted(socket: Path) -> bool:
    """Whether a daemon may listen there: what a trace names may be anybody's."""
    from smaragdine.daemon.running import SYSTEM_SOCKET

    if socket in (SYSTEM_SOCKET, Path(os.environ.get("SMARAGDINE_SOCKET") or "/")):
        return True
    try:
        status = socket.lstat()
    except (OSError, ValueError):
        return False
    return stat.S_ISSOCK(status.st_mode) and status.st_uid in (0, os.geteuid())
