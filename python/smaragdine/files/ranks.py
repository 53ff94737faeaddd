"""How the traces of a job lie in its folder: `host=…/rank=…`, and `attempt=…` within where a rank was started again.

Engines that read Parquet by Hive's names have all three from the path.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path, PurePath
from urllib.parse import quote, unquote

HOST = "host="

_RANK = re.compile(r"rank=(\d{1,8})")
_ATTEMPT = re.compile(r"attempt=(\d{1,8})")


def place(host: str, rank: int, attempt: int = 1) -> PurePath:
    """Where within a job's folder a rank's trace lies; attempts count from 1."""
    again = (f"attempt={attempt}",) if attempt > 1 else ()
    return PurePath(f"{HOST}{quote(host, safe='')}", f"rank={rank}", *again)


def placed(path: Path) -> tuple[str, int, int]:
    """Host, rank and attempt of what lies there."""
    attempt = _ATTEMPT.fullmatch(path.name)
    of_rank = path.parent if attempt else path
    rank = _RANK.fullmatch(of_rank.name)
    host = unquote(of_rank.parent.name.removeprefix(HOST), errors="replace")
    return host, int(rank[1]) if rank else 0, int(attempt[1]) if attempt else 1


def part_of(name: PurePath) -> tuple[PurePath | None, str]:
    """A file's name below a trace or a job, as the part's place and the rest; None for what is of neither."""
    steps = name.parts
    if any(step in ("", ".", "..") for step in steps) or name.is_absolute():
        return None, ""
    deep = 0
    if len(steps) > 2 and steps[0].startswith(HOST) and _RANK.fullmatch(steps[1]):
        deep = 3 if len(steps) > 3 and _ATTEMPT.fullmatch(steps[2]) else 2
    return PurePath(*steps[:deep]), "/".join(steps[deep:])


def is_job(folder: Path) -> bool:
    """Whether ranks' traces lie in it."""
    return next(folder.glob(f"{HOST}*/rank=*"), None) is not None


def places(folder: Path) -> Iterator[Path]:
    """Every directory of a rank's, and of its further attempts, in no order."""
    for path in folder.glob(f"{HOST}*/rank=*"):
        if path.is_dir() and _RANK.fullmatch(path.name):
            yield path
            yield from (inner for inner in path.glob("attempt=*") if _ATTEMPT.fullmatch(inner.name))
