"""`smaragdine run`: accounts any command."""

from __future__ import annotations

import argparse
import logging
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from types import FrameType

from smaragdine.cli.ending import NotExecutableError, NotFoundError
from smaragdine.cli.labels import parse_label
from smaragdine.errors import UsageError

_LOG = logging.getLogger("smaragdine")
_FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "run",
        usage="smaragdine run [-o DIR] [--period 4ms] [--label KEY=VALUE] [--require-measured] -- COMMAND…",
        description="Records the energy of a command and its descendants, and ends with its exit code (128+n where "
        "signal n ended it). A training inside that uses EnergyCallback or EnergyHook joins this recording.",
    )
    parser.add_argument("-o", "--output", default="smaragdine-run", metavar="DIR", help="the trace (%(default)s)")
    parser.add_argument("--period", default="4ms", help="sampling period: 500us, 4ms, 1s (%(default)s)")
    parser.add_argument(
        "--label", action="append", default=[], type=parse_label, metavar="KEY=VALUE", help="kept with the trace"
    )
    parser.add_argument(
        "--meter",
        action="append",
        default=[],
        metavar="[NAME=]PLACE",
        help="a meter outside this machine to hold the sum against: stream:PATH, ipmi, or a Redfish address",
    )
    parser.add_argument(
        "--require-measured",
        action="store_true",
        help="end with code 3 instead of modelling where no sensor is readable",
    )
    parser.add_argument("words", nargs=argparse.REMAINDER, metavar="COMMAND…")


def run(arguments: argparse.Namespace) -> int:
    command = arguments.words[1:] if arguments.words[:1] == ["--"] else arguments.words
    if not command:
        raise UsageError("no command to account", hint="smaragdine run -- python train.py")
    if shutil.which(command[0]) is None:
        if os.path.exists(command[0]):  # noqa: PTH110  a word of the user's, not a path yet
            raise NotExecutableError(f"cannot run {command[0]}: it is no executable")
        raise NotFoundError(f"cannot run {command[0]}: there is no such command")
    _name_meters(arguments.meter)
    from smaragdine.recording.beginning import JOIN
    from smaragdine.recording.recorder import Recorder

    signals = _Signals()
    recording = Recorder.start(
        arguments.output,
        period=arguments.period,
        name=os.path.basename(command[0]),  # noqa: PTH119
        labels=dict(arguments.label),
        require_measured=arguments.require_measured,
        command=command,
    )
    try:
        environment = {name: value for name, value in os.environ.items() if name != JOIN}
        if recording.state == "recording":
            environment[JOIN] = f"{recording.socket}|{recording.id}"
        code = signals.supervise(command, environment)
    finally:
        recording.finish()
    if recording.path is not None and recording.state == "complete":
        _tell(recording.path)
    return code


def _name_meters(meters: list[str]) -> None:
    """A private daemon takes them from the environment; one that runs already has its own."""
    if not meters:
        return
    from smaragdine.daemon.running import running_socket

    if any(meter.rpartition("=")[2] == "stream:-" for meter in meters):
        raise UsageError("the command has the standard input", hint="name a FIFO or a file: --meter stream:/run/strip")
    if (socket := running_socket()[0]) is not None:
        raise UsageError(
            f"the daemon on {socket} hears the meters that it was started with, and no others",
            hint="start it with --meter, as `smaragdine daemon serve --help` tells",
        )
    os.environ["SMARAGDINE_METER"] = ";".join(meters)


def _tell(trace: Path) -> None:
    """What the command came to, where that can be told: what goes wrong here must not change its exit code."""
    try:
        from smaragdine.cli import result
        from smaragdine.cli.terminal import tell

        for line in result.brief(trace):
            tell(f"smaragdine: {line}", out=sys.stderr)
    except Exception as error:  # noqa: BLE001
        _LOG.warning("the trace is in %s (%s: %s)", trace, type(error).__name__, error)


class _Signals:
    """Passes signals on to the command, which decides what they mean; this process stays to finish the trace."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._early: list[int] = []
        for number in _FORWARDED:
            signal.signal(number, self._on_signal)

    def supervise(self, command: list[str], environment: dict[str, str]) -> int:
        """Runs the command to its end; its exit code, 128+n where signal n ended it."""
        if not self._early:
            try:
                self._process = subprocess.Popen(command, env=environment)
            except OSError as error:
                raise NotExecutableError(f"cannot run {command[0]}: {error.strerror}") from error
            for number in self._early:
                # It came when the command had been started, and its process was not known yet.
                self._pass_on(self._process, number)
            code = self._process.wait()
            return code if code >= 0 else 128 - code
        return 128 + self._early[0]

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self._process is None:
            self._early.append(number)
        else:
            self._pass_on(self._process, number)

    @staticmethod
    def _pass_on(process: subprocess.Popen[bytes], number: int) -> None:
        if not (number == signal.SIGINT and _at_terminal()):
            process.send_signal(number)


def _at_terminal() -> bool:
    """Whether Ctrl-C reaches the command without us: a terminal sends it to its whole foreground group."""
    try:
        return os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    except (OSError, ValueError, AttributeError):
        return False
