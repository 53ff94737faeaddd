"""A daemon that runs already: the one that was named, or the system's."""

from __future__ import annotations

import os
import socket as sockets
import stat
from pathlib import Path

from smaragdine.errors import SmaragdineError

SYSTEM_SOCKET = Path("/run/smaragdine/smaragdine.sock")
# The kernel's `sun_path` without its final zero.
LONGEST_SOCKET_PATH = 107


def check_socket_path(path: Path) -> None:
    """Raises `SmaragdineError` where the kernel cannot name this socket."""
    length = len(os.fsencode(path))
    if length > LONGEST_SOCKET_PATH:
        raise SmaragdineError(
            f"the socket's path {path} has {length} bytes; a Unix socket's may have {LONGEST_SOCKET_PATH}",
            hint="choose a shorter path: SMARAGDINE_SOCKET for a daemon that runs, XDG_RUNTIME_DIR or TMPDIR otherwise",
        )


def running_socket() -> tuple[Path | None, str | None]:
    """The socket of a daemon that runs already, and a remark where one was left aside.

    `SMARAGDINE_SOCKET` names it; without it, the system's is taken where it answers. Raises `SmaragdineError` where
    the one that was asked for does not answer.
    """
    if named := os.environ.get("SMARAGDINE_SOCKET"):
        path = Path(named).absolute()
        check_socket_path(path)
        if problem := refusal(path):
            raise SmaragdineError(
                f"no daemon answers on {path}, which SMARAGDINE_SOCKET names: {problem}",
                hint=f"start it with `smaragdine daemon serve --socket {path}`, "
                "or unset SMARAGDINE_SOCKET to have a private one",
            )
        return path, None
    if not SYSTEM_SOCKET.exists():
        return None, None
    if problem := refusal(SYSTEM_SOCKET):
        return None, f"the system's daemon on {SYSTEM_SOCKET} was left aside ({problem}); a private one was started"
    return SYSTEM_SOCKET, None


def refusal(path: Path) -> str | None:
    """Why nobody answers on `path`; None where somebody does."""
    try:
        if not stat.S_ISSOCK(path.stat().st_mode):
            return "it is no socket"
        with sockets.socket(sockets.AF_UNIX, sockets.SOCK_STREAM) as probe:
            probe.settimeout(2.0)
            probe.connect(os.fspath(path))
    except BlockingIOError:
        # So many wait to be let in that the socket is full: somebody is there.
        return None
    except FileNotFoundError:
        return "there is no such file"
    except ConnectionRefusedError:
        return "the socket is stale, its daemon has ended"
    except PermissionError:
        return "you may not open it"
    except OSError as error:
        return error.strerror or str(error)
    return None
