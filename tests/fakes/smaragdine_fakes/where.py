"""Where the commands and the library lie: where the wheel was installed, or where cargo built them."""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig
from pathlib import Path

LIBRARY = "libfake_nvml.so"
BUILT = "SMARAGDINE_FAKES_DIR"


class FakeMissingError(FileNotFoundError):
    """A command or the library is not where it should be."""


def command(name: str) -> Path:
    """The path of `fake-powercap`, `fake-sensors` or `fake-proc`.

    Where `SMARAGDINE_FAKES_DIR` is set, it is looked for in the folder that it names and nowhere else; otherwise where
    this interpreter's scripts are, and on `PATH`.

    Raises:
        FakeMissingError: it is in none of these.
    """
    built = os.environ.get(BUILT)
    if built is not None:
        return _there(Path(built) / name)
    folders = {sysconfig.get_path("scripts"), str(Path(sys.executable).parent)}
    if Path.home().is_dir():
        folders.add(sysconfig.get_path("scripts", "posix_user"))
    found = shutil.which(name, path=os.pathsep.join([*sorted(folders), os.environ.get("PATH", os.defpath)]))
    if found is None:
        raise FakeMissingError(
            f"there is no command {name}\n"
            f"hint: `pip install smaragdine-fakes` brings it; {BUILT} names a folder where cargo built it"
        )
    return Path(found)


def nvml_library() -> Path:
    """The path of `libfake_nvml.so`, in the folder that `SMARAGDINE_FAKES_DIR` names, or in this package.

    Raises:
        FakeMissingError: it is not there.
    """
    built = os.environ.get(BUILT)
    return _there((Path(built) if built is not None else Path(__file__).parent) / LIBRARY)


def _there(path: Path) -> Path:
    if not path.is_file():
        raise FakeMissingError(
            f"there is no {path}\n"
            f"hint: `pip install smaragdine-fakes` brings it; {BUILT} names a folder where cargo built it"
        )
    return path
