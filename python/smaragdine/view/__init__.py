"""The interactive page: the same figures as the report, drawn on demand, and a recording as it runs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from smaragdine.view import explore
from smaragdine.view.app import build
from smaragdine.view.server import Server
from smaragdine.view.session import Session

__all__ = ["Server", "Session", "build", "serve"]


def serve(paths: Sequence[Path], port: int, *, policy: str = "equal", told: Callable[[str], object]) -> None:
    """Serves until it is interrupted, to this machine alone and to whoever has the address that `told` is given.

    Raises SmaragdineError where a path is no trace, or the port is taken.
    """
    session = Session.open(paths, policy=policy)
    server = Server(build(session), port, explore.warm(session))
    told(server.address)
    # While the browser starts.
    threading.Thread(target=server.warm, name="warm", daemon=True).start()
    server.serve_forever()
