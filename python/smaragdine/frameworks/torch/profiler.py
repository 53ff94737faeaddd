"""PyTorch's profiler, started and stopped by its functions in C; its text goes to the daemon unparsed.

`torch.profiler.profile` would make a Python object of every event, and keep memory: these functions do not.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from pathlib import Path
from typing import Any

from smaragdine.files.local import private_directory
from smaragdine.training.tracer import RefusedError

_LOG = logging.getLogger("smaragdine")
_MEMORY = Path("/dev/shm")  # noqa: S108  a directory of its own is made in it
_ROOM = 512 << 20
# Realtime minus monotonic: a change beyond this smears a window's stamps, which are put on one line at its end.
_CLOCK_STEP_NS = 1_000_000
# What the libraries below read, and what they are given where the user gave nothing.
_SILENT = ("KINETO_LOG_LEVEL", "99")


class Profiler:
    """Windows in which PyTorch profiles, one at a time."""

    def __init__(self, torch: Any) -> None:
        self._torch = torch
        self._thread = 0
        self._offset_ns = 0
        self._running = False
        os.environ.setdefault(*_SILENT)

    @property
    def running(self) -> bool:
        """Whether ours runs."""
        return self._running

    def start(self) -> None:
        """Opens a window. Raises `RefusedError` where another profiler runs, or PyTorch starts none."""
        autograd = self._torch.autograd
        if autograd._profiler_enabled() or getattr(autograd.profiler, "_is_profiler_enabled", False):
            raise RefusedError(
                "another profiler of PyTorch's is running, and there is one at a time: energy is measured, but not "
                "broken down into operations until that one stops"
            )
        try:
            activities = {autograd.ProfilerActivity.CPU}
            if self._on_gpu():
                activities.add(autograd.ProfilerActivity.CUDA)
                # What was launched before has no launch in this window.
                self._synchronise()
            kineto = self._torch._C._profiler
            config = autograd.ProfilerConfig(
                autograd.ProfilerState.KINETO, False, False, False, False, False, kineto._ExperimentalConfig()
            )
            autograd._prepare_profiler(config, activities)
            autograd._enable_profiler(config, activities)
        except Exception as error:
            raise RefusedError(
                f"PyTorch's profiler did not start, so energy is not broken down into operations: {error}"
            ) from error
        self._running = True
        self._thread = threading.get_ident()
        self._offset_ns = _offset_ns()

    def settle(self) -> None:
        """Waits until GPUs have done what they were asked for."""
        if self._running and self._on_gpu():
            self._synchronise()

    def stop(self) -> Path | None:
        """Closes the window; returns the folder of what was seen, None where nothing can be said.

        On the thread that opened it: elsewhere PyTorch raises, or leaves it running.
        """
        if not self._running or threading.get_ident() != self._thread:
            return None
        self._running = False
        directory = None
        try:
            if self._on_gpu():
                self._synchronise()
            result = self._torch.autograd._disable_profiler()
            if abs(_offset_ns() - self._offset_ns) > _CLOCK_STEP_NS:
                _LOG.warning("a profile was left out: the clock was set while it was taken")
                return None
            directory = private_directory(*_workspace())
            result.save(str(directory / "kineto.json"))
        except Exception as error:  # noqa: BLE001  nothing that a profiler does may end a training
            _LOG.warning("a profile was lost, another profiler may have stopped this one: %s", error)
        return directory

    def _synchronise(self) -> None:
        """Waits for the GPU that is current, and for others that this process holds memory of: to ask one that it does
        not use would start it up."""
        cuda = self._torch.cuda
        current = cuda.current_device()
        for device in range(cuda.device_count()):
            if device == current or cuda.memory_reserved(device):
                cuda.synchronize(device)

    def _on_gpu(self) -> bool:
        cuda = getattr(self._torch, "cuda", None)
        try:
            return bool(cuda is not None and cuda.is_initialized())
        except Exception:  # noqa: BLE001
            return False


def _offset_ns() -> int:
    return time.time_ns() - time.monotonic_ns()


def _workspace() -> list[Path]:
    try:
        status = os.statvfs(_MEMORY)
        return [_MEMORY] if status.f_bavail * status.f_frsize >= _ROOM else []
    except OSError:
        return []
