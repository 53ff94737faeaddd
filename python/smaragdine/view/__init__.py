"""The interactive page: the same figures as the report, drawn on demand, and a recording as it runs."""

from __future__ import annotations

import io
from collections.abc import Sequence
from contextlib import redirect_stderr
from pathlib import Path

from smaragdine.errors import SmaragdineError
from smaragdine.view.app import build
from smaragdine.view.session import Session

__all__ = ["Session", "build", "serve"]


def serve(paths: Sequence[Path], port: int, *, policy: str = "equal") -> None:
    """Serves until it is interrupted, to this machine alone.

    Raises SmaragdineError where a path is no trace, or the port is taken.
    """
    from werkzeug.serving import make_server

    app = build(Session.open(paths, policy=policy))
    try:
        # One request at a time: a trace's tables are read through one connection.
        with redirect_stderr(io.StringIO()):  # it would say what follows in words of its own
            server = make_server("127.0.0.1", port, app.server, threaded=False)
    except (OSError, OverflowError, SystemExit):
        raise SmaragdineError(f"cannot listen on port {port}", "name another with --port", exit_code=2) from None
    server.serve_forever()
