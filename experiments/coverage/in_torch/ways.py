"""The ways to train a subject: what is done to its model, and a step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.distributed.algorithms._checkpoint.checkpoint_wrapper import apply_activation_checkpointing

from .subjects import Subject

WAYS = ("eager", "compile", "autocast", "checkpoint", "accumulate", "optimizers")
PARTS = 2


def prepared(subject: Subject, way: str) -> nn.Module:
    """The model as it is called in this way."""
    if way == "checkpoint":
        apply_activation_checkpointing(subject.model, check_fn=lambda module: isinstance(module, subject.blocks))
    return torch.compile(subject.model) if way == "compile" else subject.model


def optimizers(model: nn.Module, way: str) -> list[torch.optim.Optimizer]:
    """AdamW of all parameters, or one and SGD, of a half each."""
    parameters = list(model.parameters())
    if way != "optimizers":
        return [torch.optim.AdamW(parameters, lr=1e-3)]
    half = len(parameters) // 2
    return [torch.optim.AdamW(parameters[:half], lr=1e-3), torch.optim.SGD(parameters[half:], lr=1e-3, momentum=0.9)]


def step_of(subject: Subject, model: nn.Module, way: str) -> Callable[[], Any]:
    """One step of it: all its batches, and its updates."""
    updates = optimizers(subject.model, way)

    def step() -> None:
        for update in updates:
            update.zero_grad()
        parts = PARTS if way == "accumulate" else 1
        for _ in range(parts):
            with torch.autocast("cpu", enabled=way == "autocast"):
                loss = subject.loss(model)
            (loss / parts).backward()
        if way == "accumulate":
            nn.utils.clip_grad_norm_(subject.model.parameters(), 1.0)
        for update in updates:
            update.step()

    return step
