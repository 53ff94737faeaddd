"""The callback for the Trainer of Hugging Face's Transformers: it tells when a step ends, batches accumulated."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from smaragdine.frameworks.torch.callback import Trained
from smaragdine.training.window import Auto

try:
    import transformers
    from transformers import TrainerCallback
except ImportError as error:
    raise ImportError(
        "smaragdine.transformers needs Transformers and PyTorch\nhint: pip install 'transformers[torch]'"
    ) from error

_LOOP = frozenset({"_inner_training_loop", "train"})


class EnergyCallback(TrainerCallback):  # type: ignore[misc]
    """Records the energy of `Trainer.train` into the directory `output`, operation by operation.

    Options are those of `smaragdine.keras.EnergyCallback`. A step is the Trainer's: all batches that are accumulated.
    Evaluation within a training is measured, and not traced. Nothing that goes wrong with recording fails the training.
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
        self._trained = Trained(
            output, period=period, window=window, every=every, name=name, labels=labels, pausable=pausable
        )
        self._tokens = 0

    @property
    def path(self) -> Path | None:
        """The trace directory of the last training; None before the first."""
        return self._trained.path

    def finish(self) -> Path | None:
        """Waits until the trace is written and returns its directory; only needed after a training that raised."""
        return self._trained.finish()

    def on_train_begin(self, args: Any, state: Any, control: Any, **told: Any) -> None:
        self._tokens = int(getattr(state, "num_input_tokens_seen", 0) or 0)
        self._trained.begin(told.get("model"), {"transformers": str(transformers.__version__)}, _LOOP)

    def on_step_begin(self, args: Any, state: Any, control: Any, **told: Any) -> None:
        if training := self._trained.training:
            training.step_begins(int(state.global_step), epoch=int(state.epoch or 0))

    def on_step_end(self, args: Any, state: Any, control: Any, **told: Any) -> None:
        if training := self._trained.training:
            seen = int(getattr(state, "num_input_tokens_seen", 0) or 0)
            tokens, self._tokens = seen - self._tokens, seen
            training.step_ended(int(state.global_step), {"tokens": tokens} if tokens > 0 else None)

    def on_evaluate(self, args: Any, state: Any, control: Any, **told: Any) -> None:
        self._pause()

    def on_prediction_step(self, args: Any, state: Any, control: Any, **told: Any) -> None:
        self._pause()

    def on_epoch_end(self, args: Any, state: Any, control: Any, **told: Any) -> None:
        self._pause()

    def on_train_end(self, args: Any, state: Any, control: Any, **told: Any) -> None:
        self._trained.end()

    def _pause(self) -> None:
        if training := self._trained.training:
            training.pause()
