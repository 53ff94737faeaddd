"""Where the daemon's binary is."""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from smaragdine.errors import SmaragdineError


def find_binary() -> Path:
    """Where `smaragdined` is.

    Raises `SmaragdineError` with every place that was looked at.
    """
    if override := os.environ.get("SMARAGDINE_BIN"):
        if _is_executable(Path(override)):
            return Path(override)
        raise SmaragdineError(
            f"SMARAGDINE_BIN is {override}, which is no executable file", hint="correct it, or unset it"
        )
    looked = list(dict.fromkeys(_candidates()))
    for candidate in looked:
        if _is_executable(candidate):
            return candidate
    if found := shutil.which("smaragdined"):
        return Path(found)
    raise SmaragdineError(
        "the daemon smaragdined is not installed; looked for it at\n"
        + "\n".join(f"  {place}" for place in looked)
        + "\n  and on PATH",
        hint="`pip install --force-reinstall smaragdine` brings it, or name it in SMARAGDINE_BIN",
    )


def _candidates() -> Iterator[Path]:
    name = "smaragdined"
    yield Path(sysconfig.get_path("scripts"), name)
    yield Path(sysconfig.get_path("scripts", vars={"base": sys.base_prefix}), name)
    package = Path(__file__).resolve().parents[1]
    # <prefix>/lib/pythonX.Y/site-packages/smaragdine, then the `bin` of `pip install --target`.
    if len(package.parents) > 3:
        yield package.parents[3] / "bin" / name
    yield package.parent / "bin" / name
    yield Path(sysconfig.get_path("scripts", scheme=sysconfig.get_preferred_scheme("user")), name)


def _is_executable(path: Path) -> bool:
    return path.is_file() and os.access(path, os.X_OK)
