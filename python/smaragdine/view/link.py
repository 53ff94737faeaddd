"""Following a recording through the page of another machine: its address, with its token, is all that is needed.

Only names of this machine are asked, as the page there answers to no other: from elsewhere a tunnel brings it here. So
an address that somebody pastes reaches nothing that a browser here could not reach.
"""

from __future__ import annotations

import json
import math
import threading
import time
import urllib.error
import urllib.request
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import Any
from urllib.parse import urlencode, urlsplit

from smaragdine.accounts.domain import Domain
from smaragdine.accounts.energy import BASES, MODELLED
from smaragdine.daemon.client import Live
from smaragdine.errors import SmaragdineError, UsageError
from smaragdine.view.so_far import so_far
from smaragdine.what_if.profile import Profile

FORMAT = "smaragdine-live"
PATH = "live.json"
PAUSE = "pause"
# What is sent: ten minutes of ten moments a second.
MOST_MOMENTS = 6000
_OWN_NAMES = ("127.0.0.1", "localhost", "::1")
_LARGEST = 16 << 20
_PATIENCE_S = 5.0
_EACH_S, _SELDOM_S = 1.0, 30.0
_SILENT_S = 10.0
_MOST_DOMAINS = 1000
_JSON = {"Content-Type": "application/json"}

_FOLLOWING = "following"
_SILENT = "its page answers, but has told nothing new for {:.0f} s: the job or its machine sleeps"

Ask = Callable[[int], Mapping[str, Any]]


@dataclass
class Link:
    """What another page has told so far, and how it stands with it, in words."""

    address: str
    standing: str = "asking …"
    ended: bool = False
    name: str = ""
    start_ns: int = 0
    domains: tuple[Domain, ...] = ()
    moments: deque[Live] = field(default_factory=lambda: deque(maxlen=MOST_MOMENTS))
    problem: str = ""
    """Why the page there has nothing more to tell; empty while it has."""
    whole: Profile | None = None
    """Of the run, once it ended."""
    _left: threading.Event = field(default_factory=threading.Event, repr=False)

    @classmethod
    def to(cls, address: str) -> Link:
        """Starts to follow. Raises UsageError for what is no address of a page on this machine."""
        link = cls(address.strip())
        url = _checked(link.address)
        threading.Thread(target=link._follow, args=(lambda since_ns: _ask(url, since_ns),), daemon=True).start()
        return link

    def leave(self) -> None:
        self._left.set()

    def profile(self) -> Profile:
        """Of the run where it ended; else what its application took so far. Raises SmaragdineError before."""
        if self.whole is not None:
            return self.whole
        return so_far(self.name, self.start_ns, self.domains, self.moments[-1] if self.moments else None)

    def pause(self, pause: bool) -> None:
        """Has the job's training pause, or go on. Raises SmaragdineError where its page refuses, or does not answer."""
        url = _checked(self.address, PAUSE)
        try:
            told = _told(urllib.request.Request(url, json.dumps({"pause": pause}).encode(), _JSON))  # noqa: S310
        except (OSError, HTTPException) as error:
            raise SmaragdineError(f"its page is not reachable: {getattr(error, 'reason', None) or error}") from None
        if problem := str(told.get("problem", ""))[:500]:
            raise SmaragdineError(problem)

    def _follow(self, ask: Ask) -> None:
        wait_s, lost_at, fresh_at = _EACH_S, "", time.monotonic()
        while not self._left.is_set():
            try:
                news = self._take(ask(self.moments[-1].end_ns if self.moments else 0))
                wait_s, lost_at = _EACH_S, ""
                fresh_at = time.monotonic() if news else fresh_at
                silent_s = time.monotonic() - fresh_at
                if not self.ended:
                    self.standing = self.problem or (_FOLLOWING if silent_s < _SILENT_S else _SILENT.format(silent_s))
            except SmaragdineError as error:
                self.standing, self.ended = str(error), True
            except (OSError, HTTPException) as error:
                lost_at = lost_at or time.strftime("%H:%M:%S")
                why = getattr(error, "reason", None) or error
                self.standing = f"not reachable since {lost_at} ({why}); asks again every {wait_s:.0f} s"
                wait_s = min(_SELDOM_S, 2 * wait_s)
            if self.ended:
                return
            self._left.wait(wait_s)

    def _take(self, told: Mapping[str, Any]) -> bool:
        """Whether there was anything new. Raises SmaragdineError where it makes no sense."""
        try:
            if told["format"] != FORMAT:
                raise ValueError
            self.name, self.start_ns = str(told["name"])[:200], int(told["start_ns"])
            self.domains = tuple(_domain(one) for one in told["domains"][:_MOST_DOMAINS])
            news = [_moment(one) for one in told["moments"][-MOST_MOMENTS:]]
            state, self.problem = str(told["state"]), str(told.get("problem", ""))[:500]
            profile = told.get("profile")
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
            raise UsageError("what answers there is no page of this smaragdine", "is it of the same version?") from None
        self.moments.extend(news)
        if state != "recording":
            self.whole = Profile.parse(json.dumps(profile), "the job's profile") if profile else None
            self.standing, self.ended = f"the job has ended: its trace is {state}", True
        return bool(news)


def _checked(address: str, path: str = PATH) -> str:
    try:
        parts = urlsplit(address)
        fits = parts.scheme == "http" and parts.hostname in _OWN_NAMES and parts.port is not None
    except ValueError:
        fits = False
    if not fits or "token=" not in parts.query:
        raise UsageError(
            "that is no address of a page on this machine, with its token",
            "paste the whole line that `smaragdine view` printed; from another machine, bring it here with "
            "`ssh -L 8050:localhost:8050 HOST`",
        )
    host = f"[{parts.hostname}]" if ":" in str(parts.hostname) else parts.hostname
    return f"http://{host}:{parts.port}/{path}?{parts.query}"


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirect)


def _ask(url: str, since_ns: int) -> Mapping[str, Any]:
    return _told(urllib.request.Request(f"{url}&{urlencode({'since': since_ns})}"))  # noqa: S310  http alone: `_checked`


def _told(request: urllib.request.Request) -> Mapping[str, Any]:
    """Raises SmaragdineError where asking again is of no use, OSError where it may be."""
    try:
        with _OPENER.open(request, timeout=_PATIENCE_S) as answer:
            content = answer.read(_LARGEST + 1)
    except urllib.error.HTTPError as error:
        if error.code == 403:
            raise UsageError(
                "the page there refuses: the token is wrong, or of an earlier start",
                "paste the whole line that `smaragdine view` printed there last",
            ) from None
        raise UsageError(f"what answers there is no page of smaragdine (HTTP {error.code})") from None
    try:
        told = json.loads(content) if len(content) <= _LARGEST else None
    except (ValueError, RecursionError):
        told = None
    if not isinstance(told, dict):
        raise UsageError("what answers there is no page of smaragdine")
    return told


def _domain(told: Mapping[str, Any]) -> Domain:
    basis = told["basis"] if told["basis"] in BASES else MODELLED
    return Domain(str(told["name"])[:200], str(told["device"])[:200], counted=bool(told["counted"]), basis=basis)


def _moment(told: Any) -> Live:
    end_ns, power_w, energy_j, settled_ns, settled_j, application_j, unknown_j, *standing = told
    pausable, pausing, paused = map(bool, standing)
    return Live(
        int(end_ns), _finite(power_w), _finite(energy_j), int(settled_ns), _finite(settled_j), _finite(application_j),
        _finite(unknown_j), pausable=pausable, pausing=pausing, paused=paused,
    )  # fmt: skip


def _finite(told: Mapping[str, Any]) -> dict[str, float]:
    values = {str(name)[:200]: float(value) for name, value in list(told.items())[:_MOST_DOMAINS]}
    if not all(math.isfinite(value) for value in values.values()):
        raise ValueError
    return values
