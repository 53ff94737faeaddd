"""Small models of the kinds that people train, and the ways in which they train them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

WORDS = 64


class Block(nn.Module):
    """Of a Transformer; in `again` mode its insides are computed anew in the backward pass."""

    def __init__(self, width: int, *, causal: bool, experts: int = 0, again: bool | None = None) -> None:
        super().__init__()
        self.heads, self.causal, self.again = 2, causal, again
        self.norm_1, self.norm_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = nn.Linear(width, 3 * width)
        self.project = nn.Linear(width, width)
        self.mlp = Experts(width, experts) if experts else Mlp(width)

    def inside(self, x: torch.Tensor) -> torch.Tensor:
        shape = x.shape
        parts = self.attention(self.norm_1(x)).view(*shape[:2], 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(*parts.unbind(0), is_causal=self.causal)
        x = x + self.project(mixed.transpose(1, 2).reshape(shape))
        return x + self.mlp(self.norm_2(x))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.again is None or not torch.is_grad_enabled():
            return self.inside(x)
        return checkpoint(self.inside, x, use_reentrant=self.again)


class Mlp(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.down(functional.gelu(self.up(x)))


class Experts(nn.Module):
    """Each token goes to one of several."""

    def __init__(self, width: int, count: int) -> None:
        super().__init__()
        self.gate = nn.Linear(width, count)
        self.expert = nn.ModuleList(Mlp(width) for _ in range(count))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        flat = x.reshape(-1, x.shape[-1])
        weight, chosen = self.gate(flat).softmax(-1).max(-1)
        mixed = torch.zeros_like(flat)
        for number, expert in enumerate(self.expert):
            own = (chosen == number).nonzero().squeeze(-1)
            mixed = mixed.index_add(0, own, expert(flat[own]) * weight[own, None])
        return mixed.view_as(x)


class Transformer(nn.Module):
    def __init__(self, *, causal: bool = False, experts: int = 0, again: bool | None = None, width: int = 64) -> None:
        super().__init__()
        self.embed = nn.Embedding(WORDS, width)
        self.layer = nn.ModuleList(Block(width, causal=causal, experts=experts, again=again) for _ in range(2))
        self.head = nn.Linear(width, WORDS)

    def forward(self, words: torch.Tensor) -> torch.Tensor:
        x = self.embed(words)
        for block in self.layer:
            x = block(x)
        return self.head(x)


class Bert(Transformer):
    pass


class Gpt(Transformer):
    pass


class Lstm(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed, self.lstm, self.head = (
            nn.Embedding(WORDS, 64),
            nn.LSTM(64, 64, batch_first=True),
            nn.Linear(64, WORDS),
        )

    def forward(self, words: torch.Tensor) -> torch.Tensor:
        return self.head(self.lstm(self.embed(words))[0])


class Residual(nn.Module):
    def __init__(self, channels: int, *, depthwise: bool) -> None:
        super().__init__()
        groups = channels if depthwise else 1
        self.conv_1 = nn.Conv2d(channels, channels, 3, padding=1, groups=groups, bias=False)
        self.conv_2 = nn.Conv2d(channels, channels, 1 if depthwise else 3, padding=0 if depthwise else 1, bias=False)
        self.bn_1, self.bn_2 = nn.BatchNorm2d(channels), nn.BatchNorm2d(channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functional.relu(x + self.bn_2(self.conv_2(functional.relu(self.bn_1(self.conv_1(x))))))


class Pictures(nn.Module):
    """A ResNet in small, or with `depthwise` convolutions, a MobileNet."""

    def __init__(self, *, depthwise: bool = False) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, padding=1)
        self.layers = nn.Sequential(*(Residual(16, depthwise=depthwise) for _ in range(2)))
        self.head = nn.Linear(16, WORDS)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.layers(self.stem(x)).mean((2, 3)))


class ResNet(Pictures):
    pass


class MobileNet(Pictures):
    pass


class UNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.down, self.inner = nn.Conv2d(3, 16, 3, padding=1), nn.Conv2d(16, 16, 3, padding=1)
        self.up, self.head = nn.ConvTranspose2d(16, 16, 2, stride=2), nn.Conv2d(32, WORDS, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        outer = functional.relu(self.down(x))
        inner = functional.relu(self.inner(functional.max_pool2d(outer, 2)))
        return self.head(torch.cat([outer, self.up(inner)], 1))


def words() -> torch.Tensor:
    return torch.randint(0, WORDS, (8, 32))


def pictures() -> torch.Tensor:
    return torch.randn(8, 3, 16, 16)


MODELS: dict[str, tuple[Callable[[], nn.Module], Callable[[], torch.Tensor]]] = {
    "bert": (Bert, words),
    "gpt": (lambda: Gpt(causal=True), words),
    "experts": (lambda: Transformer(experts=4), words),
    "lstm": (Lstm, words),
    "resnet": (ResNet, pictures),
    "mobilenet": (lambda: MobileNet(depthwise=True), pictures),
    "unet": (UNet, pictures),
}
MODES = ("eager", "autocast", "accumulation", "several optimizers", "foreach", "fused", "scaler")
AGAIN = {"checkpoint": False, "reentrant checkpoint": True}


def loss_of(output: torch.Tensor) -> torch.Tensor:
    """Of classes that are all the first: what matters is that it is a function, outside the model."""
    flat = output.movedim(1, -1) if output.dim() == 4 else output
    flat = flat.reshape(-1, WORDS)
    return functional.cross_entropy(flat, torch.zeros(len(flat), dtype=torch.long))


def training(model: nn.Module, data: Callable[[], torch.Tensor], mode: str = "eager") -> Callable[[], None]:
    """One step of it."""
    parameters = list(model.parameters())
    options: dict[str, Any] = {mode: True} if mode in ("foreach", "fused") else {"foreach": False}
    half = len(parameters) // 2 if mode == "several optimizers" else len(parameters)
    groups = [part for part in (parameters[:half], parameters[half:]) if part]
    optimizers = [torch.optim.AdamW(group, **options) for group in groups]
    scaler = torch.amp.GradScaler("cpu") if mode == "scaler" else None

    def step() -> None:
        for optimizer in optimizers:
            optimizer.zero_grad()
        for _ in range(2 if mode == "accumulation" else 1):
            with torch.autocast("cpu", enabled=mode == "autocast"):
                loss = loss_of(model(data()))
            (scaler.scale(loss) if scaler else loss).backward()
        if mode == "accumulation":
            nn.utils.clip_grad_norm_(parameters, 1.0)
        for optimizer in optimizers:
            if scaler:
                scaler.step(optimizer)
            else:
                optimizer.step()
        if scaler:
            scaler.update()

    return step
