"""What runs: its command line without secrets, the commit that it was made of, and Python's packages.

All of it is found out on a thread of its own, for a disk or `git` may not answer. Nothing of the environment is kept.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from smaragdine.daemon.messages import Git, Program
from smaragdine.recording.redaction import redacted

if TYPE_CHECKING:
    from importlib import metadata

_LOG = logging.getLogger("smaragdine")
_MOST_PACKAGES = 2000
_GIT_PATIENCE_S = 5.0
# Whatever a repository's own configuration asks to be run is not: it may be anybody's.
_GIT = ("git", "-c", "core.fsmonitor=", "-c", "core.hooksPath=/dev/null", "-c", "core.untrackedCache=false",
        "-c", "protocol.allow=never")  # fmt: skip
_HEX = frozenset("0123456789abcdef")


def program_of(command: Sequence[str] | None) -> Program:
    """Of this process, or of `command`, which it is about to start. Never raises; what is not known is left out."""
    words = list(command or sys.orig_argv)
    directory = _directory(words) if command else _own_directory()
    packages = packages_here() if command is None or _is_ours(words[0]) else {}
    return Program(tuple(redacted(words)), git_of(directory), packages)


def packages_here() -> dict[str, str]:
    """Name and version of each installed package of this interpreter, the one that is imported where there are two."""
    from importlib import metadata

    found: dict[str, str] = {}
    try:
        for distribution in metadata.distributions():
            try:
                name, version = _named(distribution)
            except Exception as error:  # noqa: BLE001  one damaged package hides none of the others
                _LOG.debug("a package without a name or version: %s", error)
                continue
            found.setdefault(name, version)
            if len(found) >= _MOST_PACKAGES:
                break
    except Exception as error:  # noqa: BLE001  a finder that somebody installed may do anything
        _LOG.debug("packages are not known: %s", error)
    return found


def _named(distribution: metadata.Distribution) -> tuple[str, str]:
    """By the name of its folder, `numpy-2.1.0.dist-info`, where that tells: hundreds of files need not be read."""
    folder = getattr(distribution, "_path", None)
    stem = folder.name.removesuffix(".dist-info") if folder is not None else ""
    name, _, version = stem.partition("-")
    if folder is not None and folder.name.endswith(".dist-info") and name and version:
        return name[:200], version[:100]
    name, version = distribution.metadata["Name"], distribution.version
    if not name or not version:
        raise ValueError(f"{folder}: no name or version")
    return str(name)[:200], str(version)[:100]


def git_of(directory: Path | None, patience_s: float = _GIT_PATIENCE_S) -> Git | None:
    """The commit of the repository around a directory; None where there is none, or it cannot be told in time."""
    if directory is None:
        return None
    commit = _ask(directory, ("rev-parse", "--verify", "--quiet", "HEAD^{commit}"), patience_s)
    commit = commit.strip() if commit else ""
    if len(commit) not in (40, 64) or not set(commit) <= _HEX:
        return None
    filters = _ask(
        directory, ("config", "--local", "--includes", "--name-only", "--get-regexp", r"^filter\."), patience_s
    )
    # Filters that the repository brings itself would be run on files that were touched.
    off = [part for name in (filters or "").split("\n") if name for part in ("-c", f"{name}=")]
    changed = _ask(directory, ("status", "--porcelain", "--untracked-files=no", "--ignore-submodules=dirty"),
                   patience_s, off)  # fmt: skip
    return Git(commit, None if changed is None else bool(changed.strip()))


def _ask(directory: Path, words: Sequence[str], patience_s: float, options: Sequence[str] = ()) -> str | None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environment |= {"GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "GIT_NO_LAZY_FETCH": "1", "LC_ALL": "C"}
    try:
        done = subprocess.run(
            [*_GIT, *options, "-C", str(directory), *words],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=patience_s,
            start_new_session=True,
            check=False,
        )
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        _LOG.debug("git does not tell: %s", error)
        return None
    return done.stdout.decode(errors="replace") if done.returncode == 0 else None


def _own_directory() -> Path | None:
    """Of the script that runs; where that is installed, or there is none, of where it was started."""
    script = getattr(sys.modules.get("__main__"), "__file__", None)
    return _of_script(Path(script)) if isinstance(script, str) else _here()


def _directory(words: Sequence[str]) -> Path | None:
    script = next((Path(word) for word in words[1:] if word.endswith(".py") and os.path.isfile(word)), None)  # noqa: PTH113
    return _of_script(script) if script else _here()


def _of_script(script: Path) -> Path | None:
    try:
        script = script.resolve()
    except OSError:
        return _here()
    return _here() if script.is_relative_to(sys.prefix) or script.is_relative_to(sys.base_prefix) else script.parent


def _here() -> Path | None:
    try:
        return Path.cwd()
    except OSError:
        return None


def _is_ours(word: str) -> bool:
    """Whether a command runs in this interpreter's environment, whose packages are then its own."""
    import shutil

    found = shutil.which(word)
    return found is not None and Path(found).parent.absolute() == Path(sys.executable).parent.absolute()
