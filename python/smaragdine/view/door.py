"""Who may see the page: whoever has the token, from a page of this server, by one of this machine's own names.

Every user of a machine can connect to its ports, and a page elsewhere can send a browser there. So the address that is
printed holds a token, which the browser keeps in a cookie from then on; else every request is refused.
"""

from __future__ import annotations

import hashlib
import hmac
import io
import re
import secrets
import threading
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from typing import Any
from urllib.parse import parse_qsl, urlencode

# Set by the server: called once a request has been let in.
ADMITTED = "smaragdine.admitted"

Environ = dict[str, Any]
Start = Callable[..., Any]
Application = Callable[[Environ, Start], Iterable[bytes]]

_TOKEN = "token"  # noqa: S105  the parameter's name
# Any port: behind `ssh -L` the browser sees another one.
_OWN_NAME = re.compile(r"(?:127\.0\.0\.1|localhost|\[::1\])(?::[0-9]{1,5})?", re.IGNORECASE)
# They hold nothing of a trace, and a browser has enough to do with them while that is read.
_SCRIPTS = ("/_dash-component-suites/", "/plotly.js")
# What the page's controls send is far smaller.
_LARGEST_REQUEST = 1 << 20

_NO_TOKEN = "open the address that `smaragdine view` printed, with its token"  # noqa: S105
_OTHER_NAME = (
    "this page answers to localhost, 127.0.0.1 and [::1] alone, at any port; from another machine, bring it there with "
    "`ssh -L 8050:localhost:8050 HOST`"
)
_ELSEWHERE = "another page asks for this one; " + _NO_TOKEN

_HEADERS = (
    ("Cache-Control", "no-store"),
    ("Content-Security-Policy", "frame-ancestors 'self' http://localhost:* http://127.0.0.1:*"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Referrer-Policy", "same-origin"),
    ("X-Content-Type-Options", "nosniff"),
)
# After a link from another site a browser sends strict cookies only where the page itself asks anew.
_ONCE_MORE = b'<!doctype html><meta charset="utf-8"><meta http-equiv="refresh" content="0; url=./">'


class Door:
    """A WSGI application in front of another, to which requests get through one at a time, but for its scripts."""

    def __init__(self, application: Application) -> None:
        self.token = secrets.token_urlsafe(32)
        # Cookies are the host's, not the port's: two pages at one host need two names.
        self._cookie = "smaragdine-" + hashlib.sha256(self.token.encode()).hexdigest()[:8]
        self._application = application
        # A trace's tables are read through one connection.
        self.turn = threading.Lock()

    def address(self, port: int) -> str:
        """What a browser on this machine opens."""
        return f"http://127.0.0.1:{port}/?{_TOKEN}={self.token}"

    def __call__(self, environ: Environ, start: Start) -> Iterable[bytes]:
        query = parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True)
        shown = next((value for name, value in query if name == _TOKEN), None)
        if problem := self._refusal(environ, shown):
            return _refuse(environ, start, problem)
        environ.get(ADMITTED, lambda: None)()
        cookie = f"{self._cookie}={self.token}; Path=/; HttpOnly; SameSite=Strict"
        more = [*_HEADERS, *([("Set-Cookie", cookie)] if shown is not None else [])]
        if shown is not None and environ.get("HTTP_SEC_FETCH_SITE") == "cross-site":
            start("200 OK", [("Content-Type", "text/html"), ("Content-Length", str(len(_ONCE_MORE))), *more])
            return [] if environ["REQUEST_METHOD"] == "HEAD" else [_ONCE_MORE]
        # What is behind the door needs no key.
        environ["QUERY_STRING"] = urlencode([pair for pair in query if pair[0] != _TOKEN])
        # Read before the turn is taken: nobody waits for a body that does not come.
        environ["wsgi.input"] = io.BytesIO(environ["wsgi.input"].read(_length(environ)))

        def start_with_more(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            names = {name.lower() for name, _ in more}
            kept = [pair for pair in headers if pair[0].lower() not in names or pair[0].lower() == "set-cookie"]
            return start(status, kept + more, *rest)

        needs_turn = not str(environ.get("PATH_INFO", "")).startswith(_SCRIPTS)
        with self.turn if needs_turn else nullcontext():
            return self._application(environ, start_with_more)

    def _refusal(self, environ: Environ, shown: str | None) -> str | None:
        """Why a request is refused, in words; None where it is not."""
        host = environ.get("HTTP_HOST", "")
        if not _OWN_NAME.fullmatch(host):
            # A page elsewhere could otherwise read this one by pointing a name of its own to this machine.
            return _OTHER_NAME
        if environ.get("HTTP_ORIGIN", f"http://{host}").lower() != f"http://{host}".lower():
            return _ELSEWHERE
        navigates = environ.get("HTTP_SEC_FETCH_MODE") == "navigate"
        if environ.get("HTTP_SEC_FETCH_SITE") in ("cross-site", "same-site") and not navigates:
            return _ELSEWHERE
        if not any(map(self._is_token, self._cookies(environ) if shown is None else [shown])):
            return _NO_TOKEN
        if "HTTP_TRANSFER_ENCODING" in environ or _length(environ) > _LARGEST_REQUEST:
            return "the request is larger than anything that this page sends"
        return None

    def _cookies(self, environ: Environ) -> list[str]:
        """All of our name: a page at another port may have set one, too."""
        pairs = (pair.partition("=") for pair in environ.get("HTTP_COOKIE", "").split(";"))
        return [value.strip() for name, _, value in pairs if name.strip() == self._cookie]

    def _is_token(self, shown: str) -> bool:
        return hmac.compare_digest(shown.encode(errors="replace"), self.token.encode())


def _refuse(environ: Environ, start: Start, problem: str) -> Iterable[bytes]:
    text = f"{problem}\n".encode()
    start(
        "403 Forbidden",
        [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(text))), *_HEADERS],
    )
    return [] if environ.get("REQUEST_METHOD") == "HEAD" else [text]


def _length(environ: Environ) -> int:
    told = str(environ.get("CONTENT_LENGTH") or "0")
    return int(told) if re.fullmatch(r"[0-9]{1,12}", told) else _LARGEST_REQUEST + 1
