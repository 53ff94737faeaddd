"""The operations of a PyTorch program: its profiler, in windows of steps, with the calls of its modules marked."""

from __future__ import annotations

import logging
import shutil
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from smaragdine.daemon.messages import Format, Model
from smaragdine.frameworks.torch.compilation import Compilations
from smaragdine.frameworks.torch.manners import Manners
from smaragdine.frameworks.torch.marks import Marks
from smaragdine.frameworks.torch.paths import class_name, unwrapped
from smaragdine.frameworks.torch.profiler import Profiler
from smaragdine.recording import ending
from smaragdine.recording.channel import Channel
from smaragdine.training.tracer import Closed, Job, RefusedError

_LOG = logging.getLogger("smaragdine")
# What an event takes of the text, at least, and with the shapes that it was given.
_EVENT_BYTES, _SHAPED_EVENT_BYTES = 244, 390
# Stopping and saving take so many times as long where shapes were recorded.
_SHAPES_COST = 3.0
_OLDEST, _NEWEST = (2, 4), (2, 15)


class TorchTracer:
    """A `Tracer` of PyTorch. Without a model, the outermost module that is called is it."""

    def __init__(self, channel: Channel, torch: Any, models: Sequence[Any]) -> None:
        self._channel = channel
        self._torch = torch
        self._profiler = Profiler(torch)
        self._marks = Marks(torch, models)
        self.on_compilation: Callable[[], object] = lambda: None
        self._compilations = Compilations(self._compiles)
        self._manners = Manners(torch, self._give_way)
        self._manners.watch()
        self._saved: Path | None = None
        self._told: list[str] = []
        # The first window shows what windows cost, and one after it what operations are given.
        self._first_ended = self._shaped = self._shapes_told = False
        # The window was closed within the step that runs: not all of it was seen.
        self.cut = False
        # How many events the last window had; 0 where that is not known.
        self.events = 0

    def open(self) -> bool:
        if not _OLDEST <= (version := _version(self._torch)) <= _NEWEST:
            own, oldest, newest = (".".join(map(str, one)) for one in (version, _OLDEST, _NEWEST))
            raise RefusedError(
                f"PyTorch {own} is not one of those that were tried ({oldest} to {newest}): energy is measured, but "
                "not broken down into operations"
            )
        self._compilations.watch()
        if self._compilations.under_way:
            raise RefusedError("something is being compiled: operations are traced once that has ended")
        if self._manners.another_is_ready():
            raise RefusedError(
                "another profiler of PyTorch's is in use, and there is one at a time: energy is measured, but not "
                "broken down into operations until that one ends"
            )
        self.cut = False
        self._shaped = self._first_ended and not self._shapes_told
        self._profiler.start(shapes=self._shaped)
        try:
            self._marks.open()
        except Exception as error:
            self._profiler.stop()
            raise RefusedError(f"modules could not be marked: {error}") from error
        return True

    def settle(self) -> None:
        self._profiler.settle()

    def close(self) -> Closed:
        self._marks.close()
        return Closed(ship=self._ship, stop=self._stop, here=True)

    def compilations(self, batch: int) -> int:
        self._compilations.watch()
        new = self._compilations.new()
        if new and self._profiler.running and not (self._compilations.under_way or self._marks.is_open):
            # What compiled within this window did not see our patch; its next steps may.
            self._marks.open()
        return new

    def first_step_ended(self) -> bool:
        return False

    def describe(self) -> Sequence[Job]:
        return ()

    def conclude(self) -> Sequence[Job]:
        self._manners.end()
        self._compilations.end()
        return ()

    @property
    def dearer(self) -> float:
        """How many times a step of the next window costs what it costs elsewhere."""
        return _SHAPES_COST if self._first_ended and not self._shapes_told else 1.0

    def _stop(self) -> None:
        self.events = 0
        if not self._profiler.running:
            return
        if _within_signal():
            # Wherever the program was interrupted, PyTorch was not told to stop there.
            _LOG.info("the window that was open when the process was told to end is lost")
            self.cut = True
            return
        self._saved = self._profiler.stop()
        if self._saved is not None:
            size = sum(file.stat().st_size for file in self._saved.iterdir())
            self.events = size // (_SHAPED_EVENT_BYTES if self._shaped else _EVENT_BYTES)
            self._first_ended = True
            self._shapes_told |= self._shaped

    def _ship(self) -> None:
        saved, self._saved = self._saved, None
        paths = self._marks.layer_paths
        if paths and paths != self._told:
            self._told = paths
            self._channel.model(_model(paths))
        self._marks.forget()
        if saved is None:
            return
        try:
            for file in sorted(saved.iterdir()):
                self._channel.profile(Format.KINETO_JSON, file.read_bytes())
        finally:
            shutil.rmtree(saved, ignore_errors=True)

    def _compiles(self) -> None:
        """What is compiled now shall not see our patch."""
        self._marks.close()
        self.on_compilation()

    def _give_way(self) -> None:
        if self._profiler.running:
            self._marks.close()
            self.cut = True
            self._stop()


def models_of(told: Any, torch: Any) -> list[Any]:
    """The modules among what a program named as its model: one, or several in a list."""
    several = told if isinstance(told, Iterable) and not isinstance(told, torch.nn.Module) else [told]
    return [one for one in several if isinstance(one, torch.nn.Module)]


def name_of(models: Sequence[Any]) -> str | None:
    """What a trace of these models is called; None where they are none or several."""
    return class_name(unwrapped(models[0])) if len(models) == 1 else None


def _model(paths: Sequence[str]) -> Model:
    roots = {path.partition("/")[0] for path in paths}
    if len(roots) != 1:
        return Model("", tuple(paths))
    return Model(roots.pop(), tuple(path.partition("/")[2] for path in paths if "/" in path))


def _version(torch: Any) -> tuple[int, ...]:
    parts = str(getattr(torch, "__version__", "0")).split("+")[0].split(".")[:2]
    return tuple(int(part) if part.isdigit() else 0 for part in parts)


def _within_signal() -> bool:
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        if frame.f_code is ending.on_sigterm.__code__:
            return True
        frame = frame.f_back
    return False
