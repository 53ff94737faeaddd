"""The trainings of the table, each a call that trains one step, and its model."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import cycle

import torch
from torch import nn
from torch.nn import functional

from experiments.overhead.looped import Subject
from smaragdine.demo.corpus import Corpus
from smaragdine.demo.shape import Shape
from smaragdine.demo.torch_bert import Bert

BATCHES, BERT_BATCH, MLP_BATCH, CLASSES = 20, 8, 256, 10


def training(model: nn.Module, loss_of: Callable[[], torch.Tensor]) -> Subject:
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)

    def step() -> None:
        optimizer.zero_grad()
        loss = loss_of()
        loss.backward()
        optimizer.step()

    return step, {"model": model}


def mlp(width: int) -> Subject:
    """Three layers: of 512, some 7 ms a step on two CPUs; of 768, some 14 ms."""
    layers = [layer for _ in range(3) for layer in (nn.Linear(width, width), nn.ReLU())]
    model = nn.Sequential(*layers, nn.Linear(width, CLASSES))
    x, labels = torch.randn(MLP_BATCH, width), torch.randint(0, CLASSES, (MLP_BATCH,))
    return training(model, lambda: functional.cross_entropy(model(x), labels))


def bert() -> Subject:
    """The demo's BERT in PyTorch."""
    shape = Shape()
    model, text = Bert(shape).train(), Corpus.load(shape.vocabulary)
    sizes = {"batch": BERT_BATCH, "sequence": shape.sequence, "predictions": shape.predictions}
    read = [text.batch(number, **sizes) for number in range(BATCHES)]
    parts = [(batch.tokens, batch.positions, batch.labels) for batch in read]
    batches = cycle([[torch.as_tensor(part).long() for part in batch] for batch in parts])

    def loss_of() -> torch.Tensor:
        tokens, positions, labels = next(batches)
        return functional.cross_entropy(model(tokens, positions).flatten(0, 1), labels.flatten())

    return training(model, loss_of)


SUBJECTS: dict[str, Callable[[], Subject]] = {"mlp": partial(mlp, 512), "wide-mlp": partial(mlp, 768), "bert": bert}
