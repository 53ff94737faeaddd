"""Callbacks of trainers: steps as they count them, whatever they accumulate."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from models import Bert, loss_of, words

from smaragdine.trace.trace import Trace


class Examples(torch.utils.data.Dataset):
    def __len__(self) -> int:
        return 48

    def __getitem__(self, number: int) -> dict[str, torch.Tensor]:
        return {"words": words()[0]}


def test_the_trainer_of_transformers(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    pytest.importorskip("accelerate")
    from smaragdine.transformers import EnergyCallback

    class Net(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.bert = Bert(width=16)

        def forward(self, words: torch.Tensor, labels: torch.Tensor | None = None) -> dict[str, torch.Tensor]:
            return {"loss": loss_of(self.bert(words))}

    arguments = transformers.TrainingArguments(
        output_dir=str(tmp_path / "saved"),
        per_device_train_batch_size=4,
        gradient_accumulation_steps=2,
        max_steps=8,
        report_to=[],
        save_strategy="no",
        use_cpu=True,
        disable_tqdm=True,
    )
    callback = EnergyCallback(tmp_path / "out", window=2, every=2)
    transformers.Trainer(Net(), arguments, train_dataset=Examples(), callbacks=[callback]).train()
    trace = Trace.open(tmp_path / "out")
    assert trace.sql("select count(*) from steps").fetchall() == [(8,)]
    layers = {layer for (layer,) in trace.sql("select layer from ops where phase = 'backward'").fetchall()}
    assert "net/bert/layer/1/mlp/up" in layers
    assert trace.metadata.raw["software"]["transformers"] == transformers.__version__


def test_the_trainer_of_lightning(tmp_path: Path) -> None:
    lightning = pytest.importorskip("pytorch_lightning")
    from smaragdine.lightning import EnergyCallback

    class Module(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.bert = Bert(width=16)

        def training_step(self, batch: dict[str, torch.Tensor], number: int) -> torch.Tensor:
            return loss_of(self.bert(batch["words"]))

        def validation_step(self, batch: dict[str, torch.Tensor], number: int) -> None:
            self.bert(batch["words"])

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.AdamW(self.parameters())

    loader = torch.utils.data.DataLoader(Examples(), batch_size=4)
    callback = EnergyCallback(tmp_path / "out", window=2, every=2)
    trainer = lightning.Trainer(
        max_epochs=2,
        accumulate_grad_batches=2,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[callback],
    )
    trainer.fit(Module(), loader, loader)
    trace = Trace.open(tmp_path / "out")
    assert trace.sql("select count(*) from steps").fetchall() == [(12,)]
    layers = {layer for (layer,) in trace.sql("select layer from ops where phase = 'forward'").fetchall()}
    assert "module/bert/layer/0/attention" in layers
