"""Files of a log by name, from a folder or a zip archive. Nothing is unpacked: what is read is read into memory."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Collection
from pathlib import Path, PurePosixPath

from smaragdine.errors import UsageError
from smaragdine.files import regular

LARGEST = 256 << 20
_MOST_MEMBERS = 10_000


def files(path: Path, names: Collection[str]) -> dict[str, bytes]:
    """Content of the files that bear these names, whatever folder within `path` they are in, by name.

    Raises SmaragdineError where one is missing, is there twice or is larger than any log, and where an archive names
    what lies outside of itself.
    """
    if path.is_dir():
        return _of_folder(path, names)
    try:
        with zipfile.ZipFile(path) as archive:
            return _of_archive(archive, path, names)
    except (OSError, zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, ValueError) as error:
        raise UsageError(f"cannot read {path}: {error}", "name the folder or the zip archive of a log") from None


def _of_folder(path: Path, names: Collection[str]) -> dict[str, bytes]:
    content: dict[str, bytes] = {}
    for name in names:
        found = sorted(path.rglob(name))
        _require_one(name, len(found), path)
        try:
            content[name] = regular.read(found[0])
        except OSError as error:
            raise UsageError(f"cannot read {found[0]}: {error.strerror}") from None
    return content


def _of_archive(archive: zipfile.ZipFile, path: Path, names: Collection[str]) -> dict[str, bytes]:
    members = archive.infolist()
    if len(members) > _MOST_MEMBERS:
        raise UsageError(f"{path} holds {len(members):,} files: that is no log")
    for member in members:
        parts = PurePosixPath(member.filename.replace("\\", "/"))
        if parts.is_absolute() or ".." in parts.parts:
            raise UsageError(f"{path} names {member.filename!r}, which lies outside of it: it is not read")
    content: dict[str, bytes] = {}
    for name in names:
        found = [member for member in members if PurePosixPath(member.filename).name == name]
        _require_one(name, len(found), path)
        # What the archive says of a size may be a lie: reading is bounded as well.
        with archive.open(found[0]) as file:
            content[name] = file.read(LARGEST + 1)
        if len(content[name]) > LARGEST:
            raise UsageError(f"{path}: {name} is larger than {LARGEST >> 20} MiB: that is no log")
    return content


def _require_one(name: str, count: int, path: Path) -> None:
    if count != 1:
        what = "no" if not count else f"{count} files named"
        raise UsageError(f"{path} holds {what} {name}", "name the log of one run")
