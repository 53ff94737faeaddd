"""The page's server: a thread for each connection, and no patience with one that does not say what it wants."""

from __future__ import annotations

import io
import socket
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr, suppress
from typing import Any

from dash import Dash
from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler

from smaragdine.errors import SmaragdineError, UsageError
from smaragdine.view.door import ADMITTED, Door

# Anybody on this machine may connect: what was not let in within this time is closed, however busily it writes.
PATIENCE_S = 10.0
# Of those that wait to be let in, the oldest makes room for the next.
MOST_WAITING = 64
# A stalled reader of a page that was let in; behind a slow tunnel the page's scripts take a while.
_STALLED_S = 120.0
_HANDED_OVER_S = 0.001


class _Handler(WSGIRequestHandler):
    server: Server
    timeout = _STALLED_S
    protocol_version = "HTTP/1.1"
    # A request that is none gets no page either.
    error_message_format = "%(code)d %(message)s\n"
    error_content_type = "text/plain; charset=utf-8"

    def make_environ(self) -> dict[str, Any]:
        environ = dict(super().make_environ())
        environ[ADMITTED] = lambda: self.server.admitted(self.connection)
        return environ


class Server(ThreadedWSGIServer):
    """Serves a page to this machine alone; `address` opens it."""

    def __init__(self, app: Dash, port: int, warm: Sequence[Callable[[], object]] = ()) -> None:
        """`warm` makes what is asked for first, in that order. Raises SmaragdineError where the port is taken, or is
        none."""
        self._warm = warm
        self.door = Door(app.server.wsgi_app)
        self._waiting: dict[socket.socket, float] = {}
        self._guard = threading.Lock()
        try:
            with redirect_stderr(io.StringIO()):  # it would say what follows in words of its own
                super().__init__("127.0.0.1", port, self.door, _Handler)
        except (OSError, OverflowError, SystemExit):
            raise UsageError(f"cannot listen on port {port}", "name another with --port") from None

    def warm(self) -> None:
        """Makes what the page asks for first; requests that come meanwhile have their turn in between."""
        for make in self._warm:
            with self.door.turn, suppress(SmaragdineError):
                make()
            # Who waits for the turn gets it: a lock that is taken again at once is not handed over.
            time.sleep(_HANDED_OVER_S)

    @property
    def address(self) -> str:
        return self.door.address(self.port)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._guard:
            self._waiting[request] = time.monotonic() + PATIENCE_S
            crowd = len(self._waiting) - MOST_WAITING
            for oldest in list(self._waiting)[: max(0, crowd)]:
                self._turn_away(oldest)
        super().process_request(request, client_address)

    def service_actions(self) -> None:
        """Called twice a second."""
        super().service_actions()
        now = time.monotonic()
        with self._guard:
            for request in [request for request, until in self._waiting.items() if until < now]:
                self._turn_away(request)

    def admitted(self, request: socket.socket) -> None:
        with self._guard:
            self._waiting.pop(request, None)

    def shutdown_request(self, request: Any) -> None:
        self.admitted(request)
        super().shutdown_request(request)

    def _turn_away(self, request: socket.socket) -> None:
        """Wakes its thread, which then closes it."""
        del self._waiting[request]
        with suppress(OSError):
            request.shutdown(socket.SHUT_RDWR)
