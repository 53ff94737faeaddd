"""The callback for Lightning's Trainer: it tells of batches, of which one or several make a step."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from smaragdine.frameworks.torch.callback import Trained
from smaragdine.training.window import Auto


def _package() -> Any:
    """Lightning under the name that the program knows it by, else under whichever it has."""
    names = ("lightning.pytorch", "pytorch_lightning")
    for name in sorted(names, key=lambda name: name not in sys.modules):
        try:
            __import__(name)
        except ImportError:
            continue
        return sys.modules[name]
    raise ImportError("smaragdine.lightning needs Lightning\nhint: pip install lightning")


_LIGHTNING = _package()
_BASE: Any = _LIGHTNING.Callback
_LOOP = frozenset({"_run", "_fit_impl", "fit"})


class EnergyCallback(_BASE):  # type: ignore[misc]
    """Records the energy of `Trainer.fit` into the directory `output`, operation by operation.

    Options are those of `smaragdine.keras.EnergyCallback`. A step ends where the Trainer's `global_step` grows.
    Validation within a training is measured, and not traced. Nothing that goes wrong with recording fails the training.
    """

    def __init__(
        self,
        output: str | os.PathLike[str],
        *,
        period: str = "4ms",
        window: int | Auto = "auto",
        every: int | Auto = "auto",
        name: str | None = None,
        labels: Mapping[str, str] | None = None,
        pausable: bool = False,
    ) -> None:
        super().__init__()
        self._trained = Trained(
            output, period=period, window=window, every=every, name=name, labels=labels, pausable=pausable
        )
        self._step = -1
        self._within = False

    @property
    def path(self) -> Path | None:
        """The trace directory of the last training; None before the first."""
        return self._trained.path

    def finish(self) -> Path | None:
        """Waits until the trace is written and returns its directory; only needed after a training that raised."""
        return self._trained.finish()

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        self._step, self._within = int(trainer.global_step), False
        self._trained.begin(pl_module, {"lightning": str(_LIGHTNING.__version__)}, _LOOP)

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        training = self._trained.training
        if training and not self._within:
            self._within = True
            training.step_begins(batch_idx, epoch=int(trainer.current_epoch))

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        training, step = self._trained.training, int(trainer.global_step)
        if training and self._within and step != self._step:
            self._step, self._within = step, False
            training.step_ended(batch_idx)

    def on_validation_start(self, trainer: Any, pl_module: Any) -> None:
        self._pause()

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        self._pause()

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        self._trained.end()

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        self._trained.finish()

    def _pause(self) -> None:
        self._within = False
        if training := self._trained.training:
            training.pause()
