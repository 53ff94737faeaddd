"""OUTPUT: the directory in which a recording leaves its trace.

From its first moment it holds `trace.json` with `state: recording`, the daemon's socket and the recording's id; at the
end the tables land first, and `trace.json` is replaced last.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Any

from smaragdine.daemon.client import Piece
from smaragdine.daemon.kept import mark
from smaragdine.errors import SmaragdineError
from smaragdine.files import regular
from smaragdine.files.writing import Folder, sync_parents
from smaragdine.recording.destination import RECORDED, TRACE_JSON, absolute, choose
from smaragdine.recording.rank import Rank

_LOG = logging.getLogger("smaragdine")


class Output:
    """A trace directory that this process writes."""

    def __init__(
        self, path: Path, asked: Path, created: bool, remark: str | None = None, rank_folder: Path | None = None
    ) -> None:
        self.path = path
        # What the user named; `path` differs where that held a trace, which `remark` tells.
        self.asked = asked
        self.remark = remark
        self._created = created
        self._rank_folder = rank_folder
        if rank_folder is not None:
            RECORDED.add((os.getpid(), rank_folder))

    @classmethod
    def claim(cls, asked: str | os.PathLike[str], rank: Rank | None = None) -> Output:
        """Takes OUTPUT, or OUTPUT-2, -3, … where it holds a trace, whatever became of that; a rank its folder there.

        Raises `UsageError` where it holds anything else, and `SmaragdineError` where it cannot be written.
        """
        first = absolute(asked)
        while True:
            path, remark, rank_folder = choose(first, rank)
            try:
                created = _made(path)
                # Exclusive: of two recordings that choose the same directory, one gets it, and the other the next.
                with Folder.at(path) as folder, folder.claim(TRACE_JSON) as file:
                    output = cls(path, first, created, remark, rank_folder)
                    output._mark_as_begun(file)
            except FileExistsError:
                continue
            except OSError as error:
                raise SmaragdineError(
                    f"cannot write to OUTPUT {path}: {error.strerror}", hint="name a directory that you may write"
                ) from error
            return output

    def _mark_as_begun(self, file: IO[bytes]) -> None:
        try:
            file.write(json.dumps({"state": "recording"}).encode())
        except OSError:
            self.give_back()
            raise

    def give_back(self) -> None:
        """Undoes the claim of a recording that did not start, as far as that is possible."""
        if self._rank_folder is not None:
            RECORDED.discard((os.getpid(), self._rank_folder))
        try:
            (self.path / TRACE_JSON).unlink(missing_ok=True)
            if self._created:
                self.path.rmdir()
        except OSError as error:
            _LOG.debug("%s is not as it was: %s", self.path, error)

    def begin(self, trace_json: str, socket: Path, recording: str, state_dir: str) -> None:
        """Says in `trace.json` that a recording runs, and where views and `recover` find it."""
        try:
            metadata: dict[str, Any] = dict(json.loads(trace_json)) if trace_json else {}
        except ValueError:
            metadata = {}
        metadata.update(state="recording", recording=recording)
        metadata["socket"] = metadata.get("socket") or str(socket)
        metadata["state_dir"] = metadata.get("state_dir") or state_dir
        if metadata["state_dir"]:
            mark(Path(metadata["state_dir"]), recording, self.path)
        with Folder.at(self.path) as folder:
            folder.write(TRACE_JSON, json.dumps(metadata, indent=2).encode())

    def receive(self, pieces: Iterable[Piece], log: Path | None = None) -> Mapping[str, Any]:
        """Writes the finished trace's files; `trace.json` last, so that whoever sees it complete sees all of it.

        Returns what that says; nothing where it is no JSON.
        """
        with Folder.at(self.path) as folder:
            finished = _received(folder, pieces)
            if finished is None:
                raise SmaragdineError(
                    f"the daemon sent no complete trace for {self.path}",
                    hint=f"`smaragdine recover {self.path}` rebuilds it",
                )
            if log is not None and log.exists() and log.stat().st_size:
                with log.open("rb") as source:
                    folder.copy(source, "daemon.log")
            folder.write(TRACE_JSON, finished)
        sync_parents(self.path)
        try:
            return dict(json.loads(finished))
        except (ValueError, TypeError, RecursionError):
            # Whoever opens it is told.
            return {}

    def program_ended(self, at_ns: int) -> None:
        """Keeps until when the program of a recording that was cut ran, in trace time: `recover` tells it."""
        try:
            metadata = dict(json.loads(regular.read(self.path / TRACE_JSON)))
            with Folder.at(self.path) as folder:
                folder.write(TRACE_JSON, json.dumps({**metadata, "program_end_ns": at_ns}, indent=2).encode())
        except (OSError, ValueError, TypeError) as error:
            _LOG.debug("%s: %s", self.path / TRACE_JSON, error)


def _received(folder: Folder, pieces: Iterable[Piece]) -> bytes | None:
    """Writes the files that come in pieces, but for `trace.json`, which it returns; None where that is not whole."""
    finished: bytes | None = None
    held = bytearray()
    coming = iter(pieces)
    for first in coming:
        if first.path == TRACE_JSON:
            held += first.data
            finished = bytes(held) if first.last else None
            continue
        with _new(folder, first.path) as file:
            piece: Piece | None = first
            while piece is not None and piece.path == first.path:
                file.write(piece.data)
                if piece.last:
                    break
                piece = next(coming, None)
            else:
                amidst = "nothing more" if piece is None else repr(piece.path)
                raise SmaragdineError(f"the daemon sent {amidst} amidst {first.path!r}")
    return finished


@contextmanager
def _new(folder: Folder, path: str) -> Iterator[IO[bytes]]:
    """A file in OUTPUT, or in folders within it."""
    *within, name = _inside(path)
    with ExitStack() as stack:
        for step in within:
            folder = stack.enter_context(folder.inside(step))
        yield stack.enter_context(folder.new(name))


def _made(path: Path) -> bool:
    """Makes the directory; whether it was not there."""
    try:
        path.mkdir(parents=True)
    except FileExistsError:
        return False
    return True


def _inside(path: str) -> tuple[str, ...]:
    """The parts of a name that stays inside OUTPUT, whatever a daemon sends."""
    pure = PurePosixPath(path)
    if pure.is_absolute() or ".." in pure.parts or not pure.parts or "\0" in path:
        raise SmaragdineError(f"the daemon sent a file named {path!r}, outside the trace")
    return pure.parts
