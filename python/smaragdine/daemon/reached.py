"""The daemon that a recording is made by: the one that runs already, or a private one started for this process."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from smaragdine.daemon.private import PrivateDaemon
from smaragdine.daemon.running import running_socket


class Reached(NamedTuple):
    """A daemon that answers: `private` where it was started for this process."""

    socket: Path
    private: PrivateDaemon | None
    # What the user should know about the choice.
    remark: str | None

    def close(self, *, keep_state: bool = False, timeout_s: float = 30.0) -> None:
        """Ends the daemon if it is private."""
        if self.private:
            self.private.close(keep_state=keep_state, timeout_s=timeout_s)

    def instead(self, problem: str) -> Reached | None:
        """A private daemon in place of the system's, which refused; None where this is one, or was asked for."""
        if self.private or os.environ.get("SMARAGDINE_SOCKET"):
            return None
        private = PrivateDaemon.start()
        remark = f"the system's daemon on {self.socket} was left aside ({problem}); a private one was started"
        return Reached(private.socket, private, remark)


def reach() -> Reached:
    """The daemon that runs already, else a private one. Raises `SmaragdineError`."""
    socket, remark = running_socket()
    if socket:
        return Reached(socket, None, remark)
    private = PrivateDaemon.start()
    return Reached(private.socket, private, remark)
