"""Where a recording goes: OUTPUT, beside it, or a rank's folder within; never where anything else is."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import NamedTuple

from smaragdine.errors import OccupiedError, SmaragdineError
from smaragdine.files import regular
from smaragdine.recording.rank import Rank

TRACE_JSON = "trace.json"
# Ranks' folders to which this process has recorded; another one that was forked from it has not.
RECORDED: set[tuple[int, Path]] = set()

_STATES = {"complete": "finished", "cut": "finished", "recording": "begun"}
_JOB = "job"
_UNREADABLE = "may not be read"


def absolute(asked: str | os.PathLike[str]) -> Path:
    """OUTPUT as it is named now: a program may change its working directory, and go on with this trace."""
    path = Path(asked)
    try:
        return path.absolute() if path.name not in ("", "..") else path.resolve()
    except FileNotFoundError:  # the working directory itself is gone: it will be told that nothing can be written
        return path


class Chosen(NamedTuple):
    """Where a recording goes, why elsewhere than asked, and within which rank's folder."""

    path: Path
    remark: str | None = None
    folder: Path | None = None


def choose(asked: Path, rank: Rank | None = None) -> Chosen:
    """Where a recording that asks for `asked` goes, and why elsewhere: a rank into a folder of its own within.

    Raises `UsageError` where `asked` holds what is no trace, and `SmaragdineError` where nobody can tell.
    """
    return _alone(asked) if rank is None else _within_job(asked, rank)


def _within_job(asked: Path, rank: Rank) -> Chosen:
    job, number = asked, 1
    # All ranks of a job count their trainings alike, so the second of each goes to the same OUTPUT-2.
    while (state := _state(job)) not in ("free", _JOB) or (os.getpid(), job / rank.folder) in RECORDED:
        if number == 1:
            _demand_trace(asked, state)
        number += 1
        job = asked.with_name(f"{asked.name}-{number}")
    folder = job / rank.folder
    if (state := _state(folder)) == "free":
        return Chosen(folder, f"{asked} holds a trace; this one goes to {folder}" if number > 1 else None, folder)
    if state == _UNREADABLE:
        _demand_trace(folder, state)
    attempt = 2
    while _state(path := folder / f"attempt={attempt}") != "free":
        attempt += 1
    remark = f"{folder} holds an earlier attempt of rank {rank.rank}; this one goes to {path}"
    hint = f"\nhint: `smaragdine recover {folder}` rebuilds one that was cut off" if state == "begun" else ""
    return Chosen(path, remark + hint, folder)


def _alone(asked: Path) -> Chosen:
    first = state = _state(asked)
    if state == "free":
        return Chosen(asked)
    _demand_trace(asked, state)
    begun = [asked] if state == "begun" else []
    number = 2
    while (state := _state(path := asked.with_name(f"{asked.name}-{number}"))) != "free":
        begun += [path] if state == "begun" else []
        number += 1
    if not begun:
        held = "the traces of a job" if first == _JOB else "a finished trace"
        return Chosen(path, f"{asked} holds {held}; this one goes to {path}")
    return Chosen(
        path,
        f"{', '.join(map(str, begun))}: a recording still runs there, or was cut off; this one goes to {path}"
        f"\nhint: `smaragdine recover {begun[-1]}` rebuilds one that was cut off",
    )


def _demand_trace(asked: Path, state: str) -> None:
    if state == _UNREADABLE:
        raise SmaragdineError(f"OUTPUT {asked} {state}", hint="name a directory of your own")
    if state not in (*_STATES.values(), _JOB, "free"):
        raise OccupiedError(
            f"OUTPUT {asked} {state}", hint="choose a directory that does not exist, is empty, or holds a trace"
        )


def _state(path: Path) -> str:
    """`free`, `finished`, `begun`, `job` where it holds traces of ranks, or in words what else is there."""
    try:
        if not path.exists() and not path.is_symlink():
            return "free"
        if not path.is_dir():
            return "is no directory"
        names = {entry.name for entry in path.iterdir()}
        if not names:
            return "free"
        if TRACE_JSON not in names and all(name.startswith("host=") for name in names):
            return _JOB
        if TRACE_JSON not in names:
            return "is not empty, and what it holds is no trace"
        text = regular.read(path / TRACE_JSON)
        # Taken this moment, or never more than that before the machine failed.
        metadata = json.loads(text) if text.strip(b"\0") else {"state": "recording"}
    except FileNotFoundError:
        # Given back this moment by a recording that did not start.
        return "begun"
    except (ValueError, RecursionError):
        return "holds a trace.json that cannot be read"
    except PermissionError:
        return _UNREADABLE
    except OSError as error:
        raise SmaragdineError(
            f"OUTPUT {path} cannot be read: {error.strerror}", hint="name a directory that you may write"
        ) from error
    state = metadata.get("state") if isinstance(metadata, dict) else None
    return _STATES.get(str(state), "holds a trace.json of another kind")
