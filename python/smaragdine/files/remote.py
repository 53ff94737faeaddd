"""Traces that lie elsewhere, as `s3://bucket/job` names them: fetched into a temporary directory, and read there.

What another server lists is not trusted: only what a trace or a job consists of is fetched, by the names that these
have, and no more of it than there is room for.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote

from smaragdine.errors import TraceError, UsageError
from smaragdine.files.ranks import part_of
from smaragdine.files.writing import Folder

# A table, or one of the parts in which Spark writes one.
_FILE = re.compile(r"trace\.json|(?P<table>\w{1,40}\.parquet)(/(?![._])[\w.-]{1,200}\.parquet)?", re.ASCII)
_AT_ONCE = 16
_CHUNK = 1 << 20
# Room that is left to others on the disk.
_SPARED_BYTES = 1 << 28
# Of a file whose length is not told.
_LARGEST_BYTES = 1 << 30


def fetch(url: str, directory: Path) -> None:
    """Fetches the trace, or the job, at `url` into `directory`, laid out as it is there.

    Raises UsageError where fsspec, or what it needs for this protocol, is missing, TraceError where nothing is there.
    """
    fs, root = _file_system(url)
    try:
        found = {name: info for name, info in _listed(fs, root) if _wanted(name)}
        needed = sum(int(info.get("size") or 0) for info in found.values())
        if needed > shutil.disk_usage(directory).free - _SPARED_BYTES:
            raise TraceError(f"{url} is {needed:,} bytes, and there is no room for them in {directory}",
                             "TMPDIR names another place")  # fmt: skip
        if not found:
            raise TraceError(f"{url} is no trace: nothing there is called as a trace's files", "is the address right?")
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            for _ in pool.map(lambda name: _copy(fs, found[name], directory, name), found):
                pass
    except TraceError:
        raise
    except Exception as error:  # noqa: BLE001 each file system raises what it likes
        raise TraceError(
            f"cannot read {url}: {_first_line(error)}", "is the address right, and may you read it?"
        ) from None


def _file_system(url: str) -> tuple[Any, str]:
    try:
        import fsspec

        fs, root = fsspec.core.url_to_fs(url)
    except ImportError as error:
        raise UsageError(
            f"{url} needs fsspec, and its file system for this protocol: {_first_line(error)}",
            "pip install 'smaragdine[remote]', and for S3 s3fs, for Google's gcsfs, for HTTP aiohttp",
        ) from None
    except (ValueError, OSError) as error:
        raise UsageError(f"{url} is no address that fsspec knows: {_first_line(error)}") from None
    return fs, str(root)


def _listed(fs: Any, root: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each file with its name below `root`."""
    base = PurePosixPath(root.rstrip("/"))
    # A web server lists addresses, in which `=` is mostly written otherwise.
    quoted = "http" in ((fs.protocol,) if isinstance(fs.protocol, str) else fs.protocol)
    for path, info in fs.find(root, withdirs=False, detail=True).items():
        try:
            name = str(PurePosixPath(path).relative_to(base))
            yield unquote(name) if quoted else name, info
        except ValueError:
            continue


def _wanted(name: str) -> bool:
    place, file = part_of(PurePosixPath(name))
    return place is not None and _FILE.fullmatch(file) is not None


def _copy(fs: Any, info: Mapping[str, Any], directory: Path, name: str) -> None:
    *steps, last = PurePosixPath(name).parts
    left = int(info["size"]) if info.get("size") is not None else _LARGEST_BYTES
    with (
        Folder.at(directory, fleeting=True) as folder,
        folder.below(*steps) as inner,
        fs.open(info["name"], "rb") as source,
        inner.new(last) as file,
    ):
        while chunk := source.read(_CHUNK):
            left -= len(chunk)
            if left < 0:
                raise OSError(f"{name} is longer than was told")
            file.write(chunk)


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
