"""Where a site is written: a directory that holds nothing else, or an earlier build of a site.

What an earlier build wrote stands in a list beside it; files that the new one has no more are removed, by descriptor,
and only where they are plain files that the list names.
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path

from smaragdine.errors import OccupiedError, SmaragdineError
from smaragdine.files import regular
from smaragdine.files.writing import Folder

LIST = "appendix.json"
# What publishing adds: a work tree's mark, and the name of a site of one's own.
_BESIDE = (".git", "CNAME")
_NAME = re.compile(r"(?:\.nojekyll|[a-z0-9][a-z0-9._-]*(?:/[a-z0-9][a-z0-9._-]*){0,2})")
_HINT = "name a directory that does not exist yet with -o, or one that `smaragdine appendix` wrote"


def write(files: Mapping[str, bytes], directory: Path) -> None:
    """The page that leads to all others comes last. Raises OccupiedError where the directory holds something else."""
    try:
        before = _before(directory)
        with Folder.at(directory) as root:
            # Should this end half-way, the next build may still replace all of it.
            _list(root, {*before, *files})
            for name in sorted(files, key=lambda name: (name == "index.html", name)):
                _put(root, name, files[name])
            for name in sorted(before - files.keys()):
                _remove(root, name)
            _list(root, set(files))
    except OSError as error:
        raise SmaragdineError(f"cannot write {directory}: {error.strerror or error}") from None


def _before(directory: Path) -> set[str]:
    """Names of an earlier build's files. Raises OccupiedError where anything else is there."""
    if not directory.exists() and not directory.is_symlink():
        return set()
    if not directory.is_dir():
        raise OccupiedError(f"{directory} is a file", _HINT)
    found = _found(directory)
    if not found:
        return set()
    listed = _listed(directory)
    if other := sorted(found - listed - {LIST}):
        raise OccupiedError(f"{directory} holds something else: {other[0]}", _HINT)
    return listed & found


def _found(directory: Path) -> set[str]:
    """Everything below that is no directory, links as such; a directory without a file is one of those."""
    names: set[str] = set()
    for above, folders, files in os.walk(directory):
        here = Path(above).relative_to(directory)
        if here == Path():
            folders[:] = [name for name in folders if name not in _BESIDE]
            files = [name for name in files if name not in _BESIDE]
        links = [name for name in folders if (Path(above) / name).is_symlink()]
        names |= {str(here / name) for name in (*files, *links)}
    return names


def _listed(directory: Path) -> set[str]:
    """What the list says that we wrote; nothing where there is none, or it says what no build can have."""
    try:
        content = json.loads(regular.read(directory / LIST))
    except (OSError, ValueError, RecursionError):
        return set()
    files = content.get("files") if isinstance(content, dict) else None
    if not isinstance(files, list):
        return set()
    return {name for name in files if isinstance(name, str) and _NAME.fullmatch(name) and ".." not in name}


def _list(root: Folder, names: set[str]) -> None:
    content = {"made_by": "smaragdine appendix", "files": sorted(names)}
    root.write(LIST, (json.dumps(content, indent=1) + "\n").encode())


def _put(root: Folder, name: str, data: bytes) -> None:
    first, _, rest = name.partition("/")
    if not rest:
        root.write(name, data)
        return
    with root.inside(first) as folder:
        _put(folder, rest, data)


def _remove(root: Folder, name: str) -> None:
    """Also a directory that is empty then; whatever else is in a file's place stays."""
    first, _, rest = name.partition("/")
    if rest:
        with root.inside(first) as folder:
            _remove(folder, rest)
        try:
            os.rmdir(first, dir_fd=root.descriptor)
        except OSError:  # it holds something
            pass
    elif stat.S_ISREG(os.stat(name, dir_fd=root.descriptor, follow_symlinks=False).st_mode):
        os.unlink(name, dir_fd=root.descriptor)
