"""The demo's model in PyTorch: the same BERT as in Keras, under the same layer paths, and its training."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from smaragdine.demo.shape import Shape
from smaragdine.frameworks.record import record

_INITIALIZER_STDDEV = 0.02
_EPSILON = 1e-12


def train(
    output: str | os.PathLike[str],
    shape: Shape,
    inputs: Mapping[str, Any],
    labels: Any,
    *,
    batch: int,
    window: int,
    every: int,
    progress: Callable[[int], None],
    pausable: bool = False,
) -> Path | None:
    """Trains on all batches in order, recorded into `output`; returns the trace. `progress` is told the steps done."""
    torch.manual_seed(0)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = Bert(shape).to(device).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=0.01)
    tokens, positions = (torch.as_tensor(inputs[name]).long() for name in ("tokens", "positions"))
    expected = torch.as_tensor(labels).long()
    with record(output, model=model, window=window, every=every, name="demo", pausable=pausable) as recording:
        for step, first in enumerate(range(0, len(tokens), batch)):
            progress(step)
            own = slice(first, first + batch)
            seen = [part[own].to(device) for part in (tokens, positions, expected)]
            with recording.step(samples=len(seen[0]), tokens=seen[0].numel()) as mark:
                optimizer.zero_grad()
                logits = model(*seen[:2])
                loss = functional.cross_entropy(logits.flatten(0, 1), seen[2].flatten())
                loss.backward()
                optimizer.step()
                mark.metrics["loss"] = loss.item()
    return recording.path


class Bert(nn.Module):
    """Embeddings, encoder and masked-language head: tokens and the positions to predict → logits."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.embeddings = Embeddings(shape)
        self.encoder = Encoder(shape)
        self.cls = Head(shape)
        for parameter in self.parameters():
            if parameter.dim() > 1:
                nn.init.trunc_normal_(parameter, std=_INITIALIZER_STDDEV)

    def forward(self, tokens: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        return self.cls(self.encoder(self.embeddings(tokens)), positions)


class Embeddings(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.word_embeddings = nn.Embedding(shape.vocabulary, shape.hidden)
        self.position_embeddings = nn.Embedding(shape.sequence, shape.hidden)
        self.LayerNorm = nn.LayerNorm(shape.hidden, eps=_EPSILON)
        self.dropout = nn.Dropout(shape.dropout)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        places = torch.arange(tokens.shape[1], device=tokens.device)
        return self.dropout(self.LayerNorm(self.word_embeddings(tokens) + self.position_embeddings(places)))


class Encoder(nn.Module):
    """Transformer layers, called as in google's BERT: `layer_0`, `layer_1`, …"""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        for number in range(shape.layers):
            self.add_module(f"layer_{number}", TransformerLayer(shape))

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        for layer in self.children():
            hidden = layer(hidden)
        return hidden


class TransformerLayer(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.attention = Attention(shape)
        self.intermediate = Intermediate(shape)
        self.output = Residual(shape.intermediate, shape)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        attended = self.attention(hidden)
        return self.output(self.intermediate(attended), attended)


class Attention(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        # The name that google's BERT gives this scope.
        self.add_module("self", SelfAttention(shape))
        self.output = Residual(shape.hidden, shape)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        return self.output(self.get_submodule("self")(hidden), hidden)


class SelfAttention(nn.Module):
    """Scaled dot-product attention over `heads` heads, operation by operation as in Keras."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.heads, self.scale = shape.heads, shape.head**-0.5
        self.query, self.key, self.value = (nn.Linear(shape.hidden, shape.hidden) for _ in range(3))
        self.dropout = nn.Dropout(shape.dropout)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        query, key, value = (self._split(project(hidden)) for project in (self.query, self.key, self.value))
        scores = torch.matmul(query, key.transpose(-1, -2)) * self.scale
        context = torch.matmul(self.dropout(torch.softmax(scores, -1)), value)
        return context.transpose(1, 2).reshape(hidden.shape)

    def _split(self, projected: torch.Tensor) -> torch.Tensor:
        """(batch, sequence, hidden) → (batch, heads, sequence, head)."""
        return projected.unflatten(-1, (self.heads, -1)).transpose(1, 2)


class Intermediate(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.dense = nn.Linear(shape.hidden, shape.intermediate)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        return functional.gelu(self.dense(hidden), approximate="tanh")


class Residual(nn.Module):
    """A projection to the hidden width, dropout, and a normalised residual."""

    def __init__(self, width: int, shape: Shape) -> None:
        super().__init__()
        self.dense = nn.Linear(width, shape.hidden)
        self.dropout = nn.Dropout(shape.dropout)
        self.LayerNorm = nn.LayerNorm(shape.hidden, eps=_EPSILON)

    def forward(self, hidden: torch.Tensor, residual: torch.Tensor) -> torch.Tensor:
        return self.LayerNorm(self.dropout(self.dense(hidden)) + residual)


class Head(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.predictions = Predictions(shape)

    def forward(self, hidden: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        return self.predictions(hidden, positions)


class Predictions(nn.Module):
    """Gathers the masked positions and scores the vocabulary for each."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.transform = Transform(shape)
        self.decoder = nn.Linear(shape.hidden, shape.vocabulary)

    def forward(self, hidden: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        masked = torch.take_along_dim(hidden, positions.unsqueeze(-1), 1)
        return self.decoder(self.transform(masked))


class Transform(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.dense = nn.Linear(shape.hidden, shape.hidden)
        self.LayerNorm = nn.LayerNorm(shape.hidden, eps=_EPSILON)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        return self.LayerNorm(functional.gelu(self.dense(hidden), approximate="tanh"))
