"""TensorFlow's profiler, started and stopped in this process; its output goes to the daemon unparsed."""

from __future__ import annotations

import logging
import shutil
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from smaragdine.daemon.messages import Format
from smaragdine.files.local import private_directory

if TYPE_CHECKING:
    from smaragdine.frameworks.tensorflow.eager import Scopes
    from smaragdine.recording.recording import Recording
    from smaragdine.training.shipper import Shipper
    from smaragdine.training.window import Windows

_LOG = logging.getLogger("smaragdine")
# A window's file is written once and read once: memory serves best.
_MEMORY = Path("/dev/shm")  # noqa: S108  a directory of its own is made in it
_ROOM = 512 << 20
# A profile of a million events takes some seconds to stop.
_PATIENCE_S = 20.0


class Profiler:
    """Traces windows of steps. What is called between steps on the training thread never raises."""

    # Whose window is open in this process: TensorFlow has one profiler for all.
    _open: ClassVar[Profiler | None] = None

    def __init__(self, recording: Recording, windows: Windows, shipper: Shipper, scopes: Scopes | None = None) -> None:
        """`scopes` annotate what runs operation by operation while a window is open."""
        self._recording = recording
        self._windows = windows
        self._shipper = shipper
        self._scopes = scopes
        self._directory: Path | None = None
        self._stopping: threading.Thread | None = None
        self._refused = False

    @property
    def tracing(self) -> bool:
        """Whether the step that runs is being traced."""
        return self._directory is not None

    def start(self) -> None:
        """Opens a window, once the last one's profiler is stopped."""
        import tensorflow as tf

        self._wait()
        began = time.monotonic_ns()
        directory = None
        try:
            directory = private_directory(*_workspace())
            # Its defaults are what is needed; TensorFlow 2.21 ignores options and says so on stderr each time.
            tf.profiler.experimental.start(str(directory))
        except Exception as error:  # noqa: BLE001  nothing that a profiler does may end a training
            self._refuse(error, tf.errors.AlreadyExistsError)
            if directory is not None:
                shutil.rmtree(directory, ignore_errors=True)
            return
        self._directory = directory
        Profiler._open = self
        if self._scopes:
            self._scopes.open()
        ended = time.monotonic_ns()
        self._recording.profiling(began, ended)
        self._windows.opened((ended - began) / 1e9)

    def stop_soon(self) -> None:
        """Closes the open window, if any, while the training goes on: stopping may take as long as many steps."""
        directory = self._close()
        if directory is None:
            return
        self._windows.stopping()
        # Not the shipper, which may be busy, for events add up until the profiler is told.
        thread = threading.Thread(target=self._stop, args=(directory, True), name="smaragdine-stopper")
        try:
            thread.start()
        except RuntimeError:  # no thread is to be had, or the interpreter ends
            self._stop(directory)
        else:
            self._stopping = thread

    def stop(self) -> None:
        """Closes the open window, if any, and returns once no profiler runs."""
        directory = self._close()
        if directory is not None:
            self._stop(directory)
        self._wait()

    def _close(self) -> Path | None:
        directory, self._directory = self._directory, None
        if directory is not None:
            Profiler._open = None
            if self._scopes:
                self._scopes.close()
            self._windows.closed()
        return directory

    def _wait(self) -> None:
        stopping, self._stopping = self._stopping, None
        if stopping:
            # Not for ever: a signal may have brought the training thread here out of what the other waits for.
            stopping.join(_PATIENCE_S)

    def _stop(self, directory: Path, meanwhile: bool = False) -> None:
        """`meanwhile`: the training goes on, on other threads."""
        import tensorflow as tf

        began, own_s, all_s = time.monotonic_ns(), time.thread_time(), time.process_time()
        try:
            tf.profiler.experimental.stop()
        except Exception as error:  # noqa: BLE001  nothing that a profiler does may end a training
            _LOG.warning("a profile was lost, another profiler may have stopped this one: %s", error)
        took_ns = time.monotonic_ns() - began
        own_s, all_s = time.thread_time() - own_s, time.process_time() - all_s
        # Of steps that run meanwhile the energy is the training's: the span is as long as the profiler's part of it.
        part = min(own_s / max(all_s, 1e-9), 1.0) if meanwhile else 1.0
        self._recording.profiling(began, began + round(took_ns * part))
        self._windows.stopped(took_ns / 1e9)
        self._shipper.submit(lambda: self._ship(directory), self._windows.shipped)

    def _ship(self, directory: Path) -> None:
        try:
            for file in sorted(directory.rglob("*.xplane.pb")):
                self._recording.profile(Format.XSPACE, file.read_bytes())
        finally:
            shutil.rmtree(directory, ignore_errors=True)

    def _refuse(self, error: Exception, already_running: type[Exception]) -> None:
        self._windows.refused()
        if self._refused:
            return
        self._refused = True
        if Profiler._open is not None:
            _LOG.warning(
                "another recording in this process traces operations, and TensorFlow allows one profiler at a time: "
                "both measure energy, and each step is broken down in at most one of them"
            )
        elif isinstance(error, already_running):
            _LOG.warning(
                "another profiler is running (TensorBoard's profile_batch?), and TensorFlow allows one at a time: "
                "energy is measured, but not broken down into operations until that one stops"
            )
        else:
            _LOG.warning("the profiler did not start, so energy is not broken down into operations: %s", error)


def _workspace() -> list[Path]:
    try:
        return [_MEMORY] if shutil.disk_usage(_MEMORY).free >= _ROOM else []
    except OSError:
        return []
