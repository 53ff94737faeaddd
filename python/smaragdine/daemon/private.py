"""A private daemon: started for this process, serving it alone, ending with it."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
import weakref
from pathlib import Path

from smaragdine.daemon.binary import find_binary
from smaragdine.daemon.kept import mark_private
from smaragdine.daemon.running import LONGEST_SOCKET_PATH, check_socket_path, refusal
from smaragdine.errors import SmaragdineError
from smaragdine.files.local import PREFIX, network_file_system, private_directory, runtime_directory

# A cold start reads every sensor once; a slow NVML takes seconds to initialise.
START_TIMEOUT_S = 30.0
_POLL_S = 0.01
_LAST_LINES = 15


class PrivateDaemon:
    """A daemon that serves this process alone, and ends with it.

    It runs in a session of its own, so that Ctrl-C does not reach it, and holds the read end of a pipe whose write
    end is here: however this process ends, the daemon sees the pipe close, finishes its traces and leaves.
    """

    def __init__(
        self, socket: Path, state_dir: Path, log: Path, process: subprocess.Popen[bytes], lifeline: int
    ) -> None:
        self.socket = socket
        self.state_dir = state_dir
        self.log = log
        self._process = process
        self._lifeline: int | None = lifeline
        _LIVING.add(self)

    @classmethod
    def start(cls, *, period: str | None = None, socket: Path | None = None) -> PrivateDaemon:
        """Starts a daemon and waits until it serves. Raises `SmaragdineError` with the last lines of its log."""
        binary = find_binary()
        socket = socket or private_directory(*_for_sockets(), suits=_holds_a_socket) / "socket"
        state_dir = None
        try:
            check_socket_path(socket)
            named = os.environ.get("SMARAGDINE_STATE_DIR")
            state_dir = private_directory(*([Path(named).absolute()] if named else []))
            mark_private(state_dir, socket)
            log = state_dir / "daemon.log"
            command = [str(binary), "serve", "--socket", str(socket), "--state-dir", str(state_dir)]
            command += ["--period", period] if period else []
            process, lifeline = _spawn(command, log)
        except BaseException:
            _remove(socket, state_dir)
            raise
        daemon = cls(socket, state_dir, log, process, lifeline)
        try:
            daemon._wait_until_it_serves(binary)
        except BaseException:
            daemon._process.kill()
            daemon.close()
            raise
        return daemon

    def _wait_until_it_serves(self, binary: Path) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while (problem := refusal(self.socket)) is not None:
            if (code := self._process.poll()) is not None:
                raise SmaragdineError(
                    f"{binary} ended with code {code} before it served; its log says\n{self.last_lines()}",
                    hint="`smaragdine doctor` tells what can be measured here",
                )
            if time.monotonic() > deadline:
                raise SmaragdineError(
                    f"{binary} did not serve on {self.socket} within {START_TIMEOUT_S:g} s ({problem}); "
                    f"its log says\n{self.last_lines()}"
                )
            time.sleep(_POLL_S)

    def last_lines(self) -> str:
        """The end of the daemon's log, indented."""
        try:
            lines = self.log.read_text(errors="replace").splitlines()[-_LAST_LINES:]
        except OSError:
            lines = []
        return "\n".join(f"  {line}" for line in lines) or "  nothing"

    def drop_lifeline(self) -> None:
        """Lets go of the pipe; the daemon ends once no process holds it."""
        lifeline, self._lifeline = self._lifeline, None
        if lifeline is not None:
            os.close(lifeline)

    def close(self, *, keep_state: bool = False, timeout_s: float = 30.0) -> None:
        """Ends the daemon. Its state is removed unless a trace in it is still to be recovered."""
        self.drop_lifeline()
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self._process.terminate()
        _remove(self.socket, None if keep_state else self.state_dir)


def _spawn(command: list[str], log: Path) -> tuple[subprocess.Popen[bytes], int]:
    """Starts a daemon; also gives the end of the pipe that it lives by."""
    read_end, lifeline = os.pipe()
    try:
        # In a directory of its own, which nobody else can enter; the daemon holds it open as long as it lives.
        with log.open("xb") as stream:
            process = subprocess.Popen(
                [*command, "--lifeline-fd", str(read_end)],
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                pass_fds=(read_end,),
                start_new_session=True,
            )
    except OSError as error:
        os.close(lifeline)
        raise SmaragdineError(
            f"cannot start {command[0]}: {error.strerror}", hint="name another in SMARAGDINE_BIN"
        ) from error
    finally:
        os.close(read_end)
    return process, lifeline


def _for_sockets() -> list[Path]:
    runtime = runtime_directory()
    return [runtime] if runtime and network_file_system(runtime) is None else []


def _holds_a_socket(directory: Path) -> bool:
    return len(os.fsencode(directory / "socket")) <= LONGEST_SOCKET_PATH


def _remove(socket: Path, state_dir: Path | None) -> None:
    """What is left of a daemon, as far as it is there: somebody may have cleaned up before."""
    try:
        socket.unlink(missing_ok=True)
        if socket.parent.name.startswith(PREFIX):
            socket.parent.rmdir()
    except OSError:
        pass
    if state_dir is not None:
        shutil.rmtree(state_dir, ignore_errors=True)


# A forked worker must not keep the daemon alive after the training has ended.
_LIVING: weakref.WeakSet[PrivateDaemon] = weakref.WeakSet()


def _after_fork_in_child() -> None:
    for daemon in list(_LIVING):
        daemon.drop_lifeline()


os.register_at_fork(after_in_child=_after_fork_in_child)
