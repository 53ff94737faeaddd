"""Pages of `smaragdine view` that are served while a test runs."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from smaragdine.view import Server, Session, build


@contextmanager
def served(*paths: Path) -> Iterator[Server]:
    """The page of these traces and profiles."""
    server = Server(build(Session.open(paths)), 0)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
