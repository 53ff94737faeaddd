"""The Transformer that is trained: GPT's blocks, in bf16 by autocast, AdamW."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from experiments.gpu.size import LARGE, SMALL, Size


class Block(nn.Module):  # type: ignore[misc]
    def __init__(self, size: Size) -> None:
        super().__init__()
        self.heads, width = size.heads, size.width
        self.attention_norm = nn.LayerNorm(width)
        self.query_key_value = nn.Linear(width, 3 * width)
        self.projection = nn.Linear(width, width)
        self.feed_norm = nn.LayerNorm(width)
        self.up = nn.Linear(width, 4 * width)
        self.down = nn.Linear(4 * width, width)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        batch, tokens, width = hidden.shape
        parts = self.query_key_value(self.attention_norm(hidden)).chunk(3, -1)
        query, key, value = (part.view(batch, tokens, self.heads, -1).transpose(1, 2) for part in parts)
        seen = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        hidden = hidden + self.projection(seen.transpose(1, 2).reshape(batch, tokens, width))
        return hidden + self.down(functional.gelu(self.up(self.feed_norm(hidden))))


class GPT(nn.Module):  # type: ignore[misc]
    def __init__(self, size: Size) -> None:
        super().__init__()
        self.word = nn.Embedding(size.words, size.width)
        self.position = nn.Embedding(size.tokens, size.width)
        self.blocks = nn.ModuleList(Block(size) for _ in range(size.layers))
        self.norm = nn.LayerNorm(size.width)
        self.head = nn.Linear(size.width, size.words, bias=False)

    def forward(self, words: torch.Tensor) -> torch.Tensor:
        places = torch.arange(words.shape[1], device=words.device)
        hidden = self.word(words) + self.position(places)
        for block in self.blocks:
            hidden = block(hidden)
        return self.head(self.norm(hidden))


def device() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"


def synchronise() -> None:
    """Waits for the GPU, if there is one."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def training() -> tuple[GPT, Size, Callable[[], Any]]:
    """A model, its size, and what trains one step of it, on the GPU where there is one."""
    torch.manual_seed(0)
    where = device()
    if where == "cpu":
        torch.set_num_threads(1)
    size = LARGE if where == "cuda" else SMALL
    model = GPT(size).to(where)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    words = torch.randint(0, size.words, (size.batch, size.tokens + 1), device=where)

    def step() -> None:
        with torch.autocast(where, torch.bfloat16):
            told = model(words[:, :-1])
        loss = functional.cross_entropy(told.flatten(0, 1).float(), words[:, 1:].flatten())
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    return model, size, step
