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
from smaragdine.accounts.notice import notice
from smaragdine.carbon.credit import J_PER_KWH, component
from smaragdine.daemon.client import Live
from smaragdine.errors import SmaragdineError, UsageError
from smaragdine.what_if.point import Point
from smaragdine.what_if.profile import Profile

FORMAT = "smaragdine-live"
PATH = "live.json"
# What is sent: ten minutes of ten moments a second.
MOST_MOMENTS = 6000
_OWN_NAMES = ("127.0.0.1", "localhost", "::1")
_LARGEST = 16 << 20
_PATIENCE_S = 5.0
_EACH_S, _SELDOM_S = 1.0, 30.0
_SILENT_S = 10.0
_MOST_DOMAINS = 1000

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
        """Of the run where it ended; else what all of its registers counted so far. Raises SmaragdineError before."""
        if self.whole is not None:
            return self.whole
        if not self.moments:
            raise SmaragdineError("nothing was told of the job yet", "wait for its first readings")
        last = self.moments[-1]
        kwh: dict[str, float] = {}
        for domain in self.domains:
            if domain.counted and domain.name in last.energy_j:
                name = component(domain.device, domain.name)
                kwh[name] = kwh.get(name, 0.0) + last.energy_j[domain.name] / J_PER_KWH
        if not kwh:
            raise SmaragdineError("nothing of the job is counted yet")
        bases = {domain.basis for domain in self.domains if domain.counted}
        return Profile(
            name=f"{self.name}, so far",
            by="run",
            points=(Point(0, kwh, (last.end_ns - self.start_ns) / 1e9),),
            basis=bases.pop() if len(bases) == 1 else "measured and modelled",
            notice=notice(self.domains) or "",
            source="a running recording: all of its machine, other programs and idle energy too",
        )

    def _follow(self, ask: Ask) -> None:
        wait_s, lost_at, fresh_at = _EACH_S, "", time.monotonic()
        while not self._left.is_set():
            try:
                news = self._take(ask(self.moments[-1].end_ns if self.moments else 0))
                wait_s, lost_at = _EACH_S, ""
                fresh_at = time.monotonic() if news else fresh_at
                silent_s = time.monotonic() - fresh_at
                if not self.ended:
                    self.standing = _FOLLOWING if silent_s < _SILENT_S else _SILENT.format(silent_s)
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
            state, problem = str(told["state"]), str(told.get("problem", ""))[:500]
            profile = told.get("profile")
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
            raise UsageError("what answers there is no page of this smaragdine", "is it of the same version?") from None
        self.moments.extend(news)
        if state != "recording":
            self.whole = Profile.parse(json.dumps(profile), "the job's profile") if profile else None
            self.standing, self.ended = f"the job has ended: its trace is {state}", True
        elif problem and not news:
            raise SmaragdineError(f"the page there does not reach the job any more: {problem}")
        return bool(news)


def _checked(address: str) -> str:
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
    return f"http://{host}:{parts.port}/{PATH}?{parts.query}"


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirect)


def _ask(url: str, since_ns: int) -> Mapping[str, Any]:
    """Raises SmaragdineError where asking again is of no use, OSError where it may be."""
    try:
        with _OPENER.open(f"{url}&{urlencode({'since': since_ns})}", timeout=_PATIENCE_S) as answer:
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
    end_ns, power_w, energy_j = told
    return Live(int(end_ns), _finite(power_w), _finite(energy_j))


def _finite(told: Mapping[str, Any]) -> dict[str, float]:
    values = {str(name)[:200]: float(value) for name, value in list(told.items())[:_MOST_DOMAINS]}
    if not all(math.isfinite(value) for value in values.values()):
        raise ValueError
    return values
