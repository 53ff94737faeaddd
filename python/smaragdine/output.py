"""OUTPUT: the directory in which a recording leaves its trace.

From its first moment it holds `trace.json` with `state: recording`, the daemon's socket and the recording's id; at the
end the tables land first, and `trace.json` is replaced last.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import IO, Any

from smaragdine.client import Piece
from smaragdine.errors import SmaragdineError

_FINISHED = {"complete", "cut"}
_TRACE = "trace.json"
_PARTIAL = ".partial"


class Output:
    """A trace directory that this process writes."""

    def __init__(self, path: Path, asked: Path, created: bool) -> None:
        self.path = path
        # What the user named; `path` differs where that held a finished trace.
        self.asked = asked
        self._created = created

    @classmethod
    def claim(cls, asked: str | os.PathLike[str]) -> Output:
        """Takes OUTPUT, or OUTPUT-2, -3, … where it holds a finished trace.

        Raises `SmaragdineError` where it holds anything else, or cannot be written.
        """
        first = Path(asked)
        path = choose(first if first.name else first.absolute())
        try:
            created = not path.exists()
            path.mkdir(parents=True, exist_ok=True)
            # Exclusive: of two recordings that choose the same directory, one gets it.
            with (path / _TRACE).open("x") as file:
                json.dump({"state": "recording"}, file)
        except FileExistsError:
            return cls.claim(asked)
        except OSError as error:
            raise SmaragdineError(
                f"cannot write to OUTPUT {path}: {error.strerror}", hint="name a directory that you may write"
            ) from error
        return cls(path, first, created)

    def give_back(self) -> None:
        """Undoes the claim of a recording that did not start."""
        (self.path / _TRACE).unlink(missing_ok=True)
        if self._created:
            self.path.rmdir()

    def begin(self, trace_json: str, socket: Path, recording: str, state_dir: str) -> None:
        """Says in `trace.json` that a recording runs, and where views and `recover` find it."""
        try:
            metadata: dict[str, Any] = dict(json.loads(trace_json)) if trace_json else {}
        except ValueError:
            metadata = {}
        metadata.update(state="recording", recording=recording)
        metadata["socket"] = metadata.get("socket") or str(socket)
        metadata["state_dir"] = metadata.get("state_dir") or state_dir
        self._replace(_TRACE, json.dumps(metadata, indent=2).encode())

    def receive(self, pieces: Iterable[Piece], log: Path | None = None) -> None:
        """Writes the finished trace's files; `trace.json` last, so that whoever sees it complete sees all of it."""
        finished: bytes | None = None
        file: IO[bytes] | None = None
        name = ""
        held = bytearray()
        try:
            for piece in pieces:
                if piece.path == _TRACE:
                    held += piece.data
                    finished = bytes(held) if piece.last else None
                    continue
                if file is not None and piece.path != name:
                    raise SmaragdineError(f"the daemon sent {piece.path!r} amidst {name!r}")
                if file is None:
                    name = _inside(piece.path)
                    (self.path / name).parent.mkdir(parents=True, exist_ok=True)
                    file = (self.path / (name + _PARTIAL)).open("wb")
                file.write(piece.data)
                if piece.last:
                    file.close()
                    file = None
                    (self.path / (name + _PARTIAL)).replace(self.path / name)
        finally:
            if file is not None:
                file.close()
        if finished is None:
            raise SmaragdineError(
                f"the daemon sent no complete trace for {self.path}",
                hint=f"`smaragdine recover {self.path}` rebuilds it",
            )
        if log is not None and log.exists() and log.stat().st_size:
            shutil.copyfile(log, self.path / "daemon.log")
        self._replace(_TRACE, finished)

    def _replace(self, name: str, data: bytes) -> None:
        partial = self.path / (name + _PARTIAL)
        partial.write_bytes(data)
        partial.replace(self.path / name)


def choose(asked: Path) -> Path:
    """Where a recording that asks for `asked` goes. Raises `SmaragdineError` where it may go nowhere."""
    state = _state(asked)
    if state == "free":
        return asked
    if state == "recording":
        raise SmaragdineError(
            f"OUTPUT {asked} holds a recording that still runs or was cut off",
            hint=f"`smaragdine recover {asked}` rebuilds a trace that was cut off; or choose another OUTPUT",
        )
    if state != "finished":
        raise SmaragdineError(
            f"OUTPUT {asked} {state}", hint="choose a directory that does not exist, is empty, or holds a trace"
        )
    number = 2
    while _state(asked.with_name(f"{asked.name}-{number}")) != "free":
        number += 1
    return asked.with_name(f"{asked.name}-{number}")


def _state(path: Path) -> str:
    """`free`, `finished`, `recording`, or in words what else is there."""
    try:
        if not path.exists():
            return "free"
        if not path.is_dir():
            return "is no directory"
        if not any(path.iterdir()):
            return "free"
        metadata = json.loads((path / _TRACE).read_bytes())
        state = metadata.get("state") if isinstance(metadata, dict) else None
    except FileNotFoundError:
        return "is not empty, and what it holds is no trace"
    except ValueError:
        return "holds a trace.json that cannot be read"
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    if state in _FINISHED:
        return "finished"
    return "recording" if state == "recording" else "holds a trace.json of another kind"


def _inside(path: str) -> str:
    """A name that stays inside OUTPUT, whatever a daemon sends."""
    pure = PurePosixPath(path)
    if pure.is_absolute() or ".." in pure.parts or not pure.parts:
        raise SmaragdineError(f"the daemon sent a file named {path!r}, outside the trace")
    return path
