"""The daemon: a private one started for this process, or the one that runs already."""

from __future__ import annotations

import os
import shutil
import socket as sockets
import stat
import subprocess
import sys
import sysconfig
import time
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from smaragdine.errors import SmaragdineError
from smaragdine.kept import mark_private
from smaragdine.local import PREFIX, network_file_system, private_directory, runtime_directory

SYSTEM_SOCKET = Path("/run/smaragdine/smaragdine.sock")
# The kernel's `sun_path` without its final zero.
LONGEST_SOCKET_PATH = 107
# A cold start reads every sensor once; a slow NVML takes seconds to initialise.
START_TIMEOUT_S = 30.0
_POLL_S = 0.01
_LAST_LINES = 15


def find_binary() -> Path:
    """Where `smaragdined` is.

    Raises `SmaragdineError` with every place that was looked at.
    """
    if override := os.environ.get("SMARAGDINE_BIN"):
        if _is_executable(Path(override)):
            return Path(override)
        raise SmaragdineError(
            f"SMARAGDINE_BIN is {override}, which is no executable file", hint="correct it, or unset it"
        )
    looked = list(dict.fromkeys(_candidates()))
    for candidate in looked:
        if _is_executable(candidate):
            return candidate
    if found := shutil.which("smaragdined"):
        return Path(found)
    raise SmaragdineError(
        "the daemon smaragdined is not installed; looked for it at\n"
        + "\n".join(f"  {place}" for place in looked)
        + "\n  and on PATH",
        hint="`pip install --force-reinstall smaragdine` brings it, or name it in SMARAGDINE_BIN",
    )


def _candidates() -> Iterator[Path]:
    name = "smaragdined"
    yield Path(sysconfig.get_path("scripts"), name)
    yield Path(sysconfig.get_path("scripts", vars={"base": sys.base_prefix}), name)
    package = Path(__file__).resolve().parent
    # <prefix>/lib/pythonX.Y/site-packages/smaragdine, then the `bin` of `pip install --target`.
    if len(package.parents) > 3:
        yield package.parents[3] / "bin" / name
    yield package.parent / "bin" / name
    yield Path(sysconfig.get_path("scripts", scheme=sysconfig.get_preferred_scheme("user")), name)


def _is_executable(path: Path) -> bool:
    return path.is_file() and os.access(path, os.X_OK)


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
