"""A subject that Lightning's Trainer trains, in each of the ways as Lightning has them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytorch_lightning as lightning
import torch
from torch import nn

from smaragdine.lightning import EnergyCallback

from .subjects import BATCH, Subject
from .ways import PARTS, optimizers, prepared


class Lit(lightning.LightningModule):
    def __init__(self, subject: Subject, way: str) -> None:
        super().__init__()
        self.net, self._subject, self._way = subject.model, [subject], way
        self.automatic_optimization = way != "optimizers"

    def training_step(self, batch: Any, number: int) -> torch.Tensor:
        loss = self._subject[0].loss(self.net)
        if not self.automatic_optimization:
            updates = self.optimizers()
            for update in updates:
                update.zero_grad()
            self.manual_backward(loss)
            for update in updates:
                update.step()
        return loss

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        return optimizers(self.net, self._way)


def fit(subject: Subject, way: str, steps: int, output: Path, window: int, every: int) -> Path:
    """Trains so many steps; returns the trace."""
    prepared(subject, "checkpoint" if way == "checkpoint" else "eager")
    module: nn.Module = Lit(subject, way)
    # Manual optimisation counts the steps of both optimizers.
    parts = {"accumulate": PARTS, "optimizers": 1}.get(way, 1)
    callback = EnergyCallback(output, window=window, every=every)
    trainer = lightning.Trainer(
        max_epochs=1,
        limit_train_batches=steps * parts,
        accumulate_grad_batches=PARTS if way == "accumulate" else 1,
        precision="bf16-mixed" if way == "autocast" else "32-true",
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[callback],
    )
    batches = torch.utils.data.DataLoader(torch.zeros(steps * parts * BATCH, 1), batch_size=BATCH)
    trainer.fit(torch.compile(module) if way == "compile" else module, batches)
    return callback.finish() or output
