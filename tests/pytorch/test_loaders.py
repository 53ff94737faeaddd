"""Loaders whose workers are forked or spawned while a window is open."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from models import Bert, training

from smaragdine.trace.trace import Trace


class Words(torch.utils.data.Dataset):
    """Its workers run a model of their own."""

    def __len__(self) -> int:
        return 64

    def __getitem__(self, number: int) -> torch.Tensor:
        mix = torch.nn.Linear(4, 4)
        return torch.full((16,), number % 64) + (mix(torch.zeros(4)).sum() * 0).long()


@pytest.mark.parametrize("context", ["fork", "spawn"])
def test_workers_start_within_a_window_and_what_they_do_is_no_operation(recorded, context: str) -> None:
    loader = torch.utils.data.DataLoader(Words(), batch_size=8, num_workers=2, multiprocessing_context=context)
    model = Bert(width=16)
    seen: list[int] = []

    def batches() -> Iterator[torch.Tensor]:
        while True:
            yield from loader

    turn = batches()
    step = training(model, lambda: next(turn))

    def begins_anew() -> None:
        nonlocal turn
        # Workers start with the first batch of an epoch: in each of these steps.
        turn = batches()
        step()
        seen.append(len(seen))

    trace: Trace = recorded(begins_anew, steps=4, model=model)
    assert seen == [0, 1, 2, 3]
    assert trace.metadata.raw["warnings"] == [] or all("power is" in told for told in trace.metadata.raw["warnings"])
    layers = {layer for (layer,) in trace.sql("select distinct layer from ops").fetchall()}
    assert {"data", "bert/layer/0/attention", "optimizer"} <= layers
    assert "linear" not in layers
