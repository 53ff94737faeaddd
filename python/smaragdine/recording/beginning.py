"""How a recording begins: OUTPUT is taken, and a daemon reached that measures; or the recording around is joined."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from smaragdine.daemon.client import Client, Started, StartOptions
from smaragdine.daemon.reached import Reached, reach
from smaragdine.errors import SmaragdineError
from smaragdine.recording.output import Output
from smaragdine.recording.rank import Rank

_LOG = logging.getLogger("smaragdine")
# `socket|id` of a recording around this process, as `smaragdine run` sets it.
JOIN = "SMARAGDINE_RECORDING"


class Begun(NamedTuple):
    """A recording that the daemon has started. What is None, the recording around this one has."""

    client: Client
    recording: str
    output: Output | None = None
    daemon: Reached | None = None
    started: Started | None = None


def begin(
    asked: Path,
    *,
    name: str | None,
    period_ns: int,
    labels: Mapping[str, str],
    software: Mapping[str, str],
    require_measured: bool,
) -> Begun:
    """Joins the recording around this process where that is here, or starts one into `asked`, an absolute path, or
    beside it; a rank of a job, which its labels tell, into a folder of its own within.

    Raises `UsageError` where `asked` holds what is no trace, `SmaragdineError` where nothing can be recorded; OUTPUT is
    then as it was.
    """
    if outer := os.environ.get(JOIN):
        socket, recording = _outer(outer)
        if socket.exists():
            _LOG.info("joined the recording around this process; nothing is written to %s", asked)
            return _join(socket, recording)
        _LOG.warning(
            "no daemon answers at %s: the recording around this process is one of another machine, or has ended; this"
            " process records by itself",
            socket,
        )
    rank = Rank.told()
    output = Output.claim(asked, rank)
    options = StartOptions(
        name=name or asked.name,
        period_ns=period_ns,
        labels={**(rank.labels if rank else {}), **labels},
        software={"python": sys.version.split()[0], **_own_version(), **software},
        require_measured=require_measured,
    )
    try:
        begun = _begin(output, options)
    except BaseException:
        output.give_back()
        raise
    if output.remark:
        _LOG.warning("%s", output.remark)
    return begun


def _own_version() -> dict[str, str]:
    """As the package around says; rooms import nothing of it."""
    told = getattr(sys.modules.get("smaragdine"), "__version__", None)
    return {"smaragdine": told} if isinstance(told, str) else {}


def _outer(told: str) -> tuple[Path, str]:
    socket, _, recording = told.rpartition("|")
    if not socket:
        raise SmaragdineError(f"{JOIN} is {told!r}, not `socket|recording`", hint=f"unset {JOIN}")
    return Path(socket), recording


def _join(socket: Path, recording: str) -> Begun:
    client = Client(socket)
    try:
        client.describe()
    except BaseException:
        client.close()
        raise
    return Begun(client, recording)


def _begin(output: Output, options: StartOptions) -> Begun:
    daemon = reach()
    try:
        return _started(daemon, output, options)
    except SmaragdineError as error:
        private = daemon.instead(error.message)
        if private is None:
            raise
        return _started(private, output, options)


def _started(daemon: Reached, output: Output, options: StartOptions) -> Begun:
    client = started = None
    try:
        client = Client(daemon.socket)
        client.describe()
        started = client.start(options)
        output.begin(started.trace_json, client.socket, started.recording, started.state_dir)
    except BaseException:
        if client and started and not daemon.private:
            _drop(client, started.recording)
        if client:
            client.close()
        daemon.close()
        raise
    for warning in (daemon.remark, started.warning):
        if warning:
            _LOG.warning("%s", warning)
    return Begun(client, started.recording, output, daemon, started)


def _drop(client: Client, recording: str) -> None:
    """A service would go on with it as long as this process lives."""
    try:
        client.stop(recording)
        client.release(recording)
    except SmaragdineError as error:
        _LOG.debug("%s", error)
