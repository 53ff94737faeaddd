"""What the callbacks of PyTorch's trainers share: one training's life, whichever trainer tells of it."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from smaragdine.frameworks.torch.paths import unwrapped
from smaragdine.frameworks.torch.tracer import TorchTracer
from smaragdine.recording.recorder import Recorder
from smaragdine.training.plan import Plan
from smaragdine.training.training import Training
from smaragdine.training.vigil import Call
from smaragdine.training.window import Auto

_LOG = logging.getLogger("smaragdine")


class Trained:
    """The trainings that one callback records, one after the other."""

    def __init__(
        self,
        output: str | os.PathLike[str],
        *,
        period: str,
        window: int | Auto,
        every: int | Auto,
        name: str | None,
        labels: Mapping[str, str] | None,
        pausable: bool,
    ) -> None:
        """Raises `UsageError` as `Plan` does."""
        self._plan = Plan(
            output, period=period, window=window, every=every, name=name, labels=labels, pausable=pausable
        )
        self._recorder: Recorder | None = None
        self.training: Training | None = None

    @property
    def path(self) -> Path | None:
        """The trace directory of the last training."""
        return self._recorder.path if self._recorder else None

    def begin(self, model: Any, software: Mapping[str, str], loop: Collection[str]) -> None:
        """A training of this model begins, within a call of a function that is called as one of `loop`."""
        self.finish()
        self.training = None
        torch: Any = sys.modules["torch"]
        versions = {"torch": str(torch.__version__), **software}
        recorder = self._recorder = self._plan.start(type(unwrapped(model)).__name__, versions)
        if recorder.state != "recording":
            return
        try:
            tracer = TorchTracer(recorder.channel, torch, [model])
            call = Call.around(loop)
            under_way = call.under_way if call else None
            self.training = Training(
                recorder, self._plan.windows(), tracer, under_way=under_way, pausable=self._plan.pausable
            )
        except Exception as error:  # noqa: BLE001  the training goes on, and so does the measuring of its energy
            _LOG.warning("energy is measured, but not broken down: %r", error)

    def end(self) -> None:
        """It went to its end."""
        if self.training:
            self.training.ended = True
        self.finish()

    def finish(self) -> Path | None:
        """Waits until the trace is written."""
        return self._recorder.finish() if self._recorder else None

    def __getstate__(self) -> dict[str, Any]:
        # Trainers copy callbacks, and save them.
        return {**self.__dict__, "_recorder": None, "training": None}
