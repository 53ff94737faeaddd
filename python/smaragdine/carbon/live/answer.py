"""One answer over HTTP: with a time limit, of a size that is expected, kept so that nobody is asked twice."""

from __future__ import annotations

import hashlib
import os
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path

from smaragdine.errors import SmaragdineError
from smaragdine.files import regular
from smaragdine.files.writing import Folder

TIMEOUT_S = 10.0
_LARGEST = 16 << 20
# Figures of the last days are still revised; older ones stay.
_FRESH_S = 300.0
_SETTLED_S = 3 * 86_400.0

Get = Callable[[str, Mapping[str, str], float], bytes]


class SilentError(SmaragdineError):
    """A provider did not answer, or nothing that makes sense: the yearly figure stands in."""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect would take the token along to wherever it leads."""

    def redirect_request(self, *_: object) -> None:
        return None


def get(url: str, headers: Mapping[str, str], until_s: float) -> bytes:
    """The body of an answer; `until_s` is the end of the time asked for (since 1970), which tells how long it keeps.

    Raises SilentError. The token is in no cache: files are named by the address alone.
    """
    if not re.match(r"https?://", url):
        raise SilentError(f"{url} is no address of the web")
    name = hashlib.sha256(url.encode()).hexdigest()
    if (kept := _kept(name, until_s)) is not None:
        return kept
    request = urllib.request.Request(url, headers={"User-Agent": "smaragdine", **headers})  # noqa: S310  checked above
    try:
        with urllib.request.build_opener(_NoRedirect).open(request, timeout=TIMEOUT_S) as answer:
            body: bytes = answer.read(_LARGEST + 1)
    except urllib.error.HTTPError as error:
        raise SilentError(f"{_host(url)} answered {error.code} {error.reason}") from None
    except (OSError, ValueError) as error:  # URLError, timeouts and broken answers among them
        raise SilentError(f"{_host(url)} does not answer: {getattr(error, 'reason', error)}") from None
    if len(body) > _LARGEST:
        raise SilentError(f"{_host(url)} answered more than {_LARGEST >> 20} MiB")
    return body


def keep(url: str, body: bytes) -> None:
    """Keeps an answer that made sense."""
    if (folder := _folder()) is None:
        return
    try:
        Folder.at(folder).write(hashlib.sha256(url.encode()).hexdigest(), body)
    except OSError:  # a cache is no promise
        pass


def address(variable: str, usual: str) -> str:
    """Where a provider is; another address, as of a mirror, by an environment variable."""
    return os.environ.get(variable, usual).rstrip("/")


def _kept(name: str, until_s: float) -> bytes | None:
    folder = _folder()
    if folder is None:
        return None
    try:
        written_s = (folder / name).stat().st_mtime
        settled = written_s - until_s > _SETTLED_S
        return regular.read(folder / name) if settled or 0 <= time.time() - written_s < _FRESH_S else None
    except OSError:
        return None


def _folder() -> Path | None:
    """`$XDG_CACHE_HOME/smaragdine/carbon`; None where there is no home."""
    base = os.environ.get("XDG_CACHE_HOME")
    try:
        return (Path(base) if base else Path.home() / ".cache") / "smaragdine" / "carbon"
    except RuntimeError:
        return None


def _host(url: str) -> str:
    return url.split("/")[2]
