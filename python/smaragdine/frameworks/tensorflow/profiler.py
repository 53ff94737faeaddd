"""TensorFlow's profiler, started and stopped in this process; its output goes to the daemon unparsed."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path
from typing import ClassVar

from smaragdine.daemon.messages import Format
from smaragdine.files.local import private_directory
from smaragdine.frameworks.tensorflow.eager import Scopes
from smaragdine.recording.channel import Channel
from smaragdine.training.tracer import Closed, RefusedError

_LOG = logging.getLogger("smaragdine")
# A window's file is written once and read once: memory serves best.
_MEMORY = Path("/dev/shm")  # noqa: S108  a directory of its own is made in it
_ROOM = 512 << 20


class Profiler:
    """Opens and closes windows in which TensorFlow profiles."""

    # Whose window is open in this process: TensorFlow has one profiler for all.
    _open: ClassVar[Profiler | None] = None

    def __init__(self, channel: Channel, scopes: Scopes | None = None) -> None:
        """`scopes` annotate what runs operation by operation while a window is open."""
        self._channel = channel
        self._scopes = scopes
        self._directory = Path()

    def start(self) -> None:
        """Opens a window. Raises `RefusedError` where TensorFlow does not."""
        import tensorflow as tf

        directory = None
        try:
            directory = private_directory(*_workspace())
            # Its defaults are what is needed; TensorFlow 2.21 ignores options and says so on stderr each time.
            tf.profiler.experimental.start(str(directory))
        except Exception as error:
            if directory is not None:
                shutil.rmtree(directory, ignore_errors=True)
            raise RefusedError(_refusal(error, tf.errors.AlreadyExistsError)) from error
        self._directory = directory
        Profiler._open = self
        if self._scopes:
            self._scopes.open()

    def close(self) -> Closed:
        """Closes the window that is open; TensorFlow is still to be stopped."""
        Profiler._open = None
        if self._scopes:
            self._scopes.close()
        directory = self._directory
        return Closed(ship=lambda: self._ship(directory), stop=_stop)

    def _ship(self, directory: Path) -> None:
        try:
            for file in sorted(directory.rglob("*.xplane.pb")):
                self._channel.profile(Format.XSPACE, file.read_bytes())
        finally:
            shutil.rmtree(directory, ignore_errors=True)


def _stop() -> None:
    import tensorflow as tf

    try:
        tf.profiler.experimental.stop()
    except Exception as error:  # noqa: BLE001  nothing that a profiler does may end a training
        _LOG.warning("a profile was lost, another profiler may have stopped this one: %s", error)


def _refusal(error: Exception, already_running: type[Exception]) -> str:
    if Profiler._open is not None:
        return (
            "another recording in this process traces operations, and TensorFlow allows one profiler at a time: "
            "both measure energy, and each step is broken down in at most one of them"
        )
    if isinstance(error, already_running):
        return (
            "another profiler is running (TensorBoard's profile_batch?), and TensorFlow allows one at a time: "
            "energy is measured, but not broken down into operations until that one stops"
        )
    return f"the profiler did not start, so energy is not broken down into operations: {error}"


def _workspace() -> list[Path]:
    try:
        return [_MEMORY] if shutil.disk_usage(_MEMORY).free >= _ROOM else []
    except OSError:
        return []
