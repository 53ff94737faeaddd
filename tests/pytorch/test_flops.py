"""Floating-point operations of a training, told by one window and by hand."""

from __future__ import annotations

import pytest
import torch
from models import training
from torch import nn
from torch.nn import functional


class Small(nn.Module):
    """Four examples of 3 × 8 × 8 numbers → 64 classes."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.attention = nn.Linear(8, 8, bias=False)
        self.head = nn.Linear(8, 64)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        tokens = self.conv(x).flatten(2).transpose(1, 2).contiguous()[:, None]
        mixed = functional.scaled_dot_product_attention(self.attention(tokens), tokens, tokens)
        return self.head(mixed[:, 0].mean(1))


# Of each operation that a layer's forward pass runs, by layer.
CONV = 2 * (4 * 8 * 4 * 4) * (3 * 3 * 3) + 4 * 8 * 4 * 4
ATTENTION = 2 * (4 * 16) * 8 * 8
SCORES = 2 * 4 * 16 * 16 * (8 + 8)
HEAD = 2 * 4 * 8 * 64 + 4 * 64


def test_flops_are_those_by_hand_and_those_of_every_window(recorded) -> None:
    trace = recorded(training(Small(), lambda: torch.randn(4, 3, 8, 8)), steps=14, model=None)
    # An execution may be in several pieces; those of the second window, which tells shapes.
    pieces = "count(*) filter (step in (6, 7)) / 2 as pieces"
    executed = f"select op, {pieces}, count(distinct step) as steps from events group by op"
    sums = (
        f"select phase, layer, sum(flops * pieces) from ops join ({executed}) using (op) where flops > 0 group by all"
    )
    told = {(phase, layer): pytest.approx(flops) for phase, layer, flops in trace.sql(sums).fetchall()}
    assert told == {
        ("forward", "small/conv"): CONV,
        ("forward", "small/attention"): ATTENTION,
        ("forward", "small"): SCORES,
        ("forward", "small/head"): HEAD,
        # No gradient of the pictures is asked for; that of the bias is a sum.
        ("backward", "small/conv"): CONV - 4 * 8 * 4 * 4 + (4 * 8 * 4 * 4 - 8),
        ("backward", "small/attention"): 2 * ATTENTION,
        # Scores anew, then gradients of the scores, of values, queries and keys.
        ("backward", "small"): SCORES / 2 * 5,
        ("backward", "small/head"): 2 * (HEAD - 4 * 64),
    }
    # Three windows of two steps: what one of them told holds for all.
    counts = f"select distinct steps from ops join ({executed}) using (op) where flops > 0"
    assert trace.sql(counts).fetchall() == [(6,)]


def test_what_runs_in_several_sizes_has_no_number(recorded) -> None:
    sizes = iter(range(1, 100))
    model = nn.Sequential(nn.Linear(8, 64))
    step = training(model, lambda: torch.randn(next(sizes), 8))
    trace = recorded(step, steps=8, model=model)
    assert trace.sql("select count(*) from ops where flops is not null").fetchall() == [(0,)]
