"""ResNet-18, MobileNetV3-Small and a U-Net, written as their papers have them."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional

CLASSES = 10


class BasicBlock(nn.Module):
    def __init__(self, channels: int, planes: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(channels, planes, 3, stride, 1, bias=False), nn.BatchNorm2d(planes)
        self.conv2, self.bn2 = nn.Conv2d(planes, planes, 3, 1, 1, bias=False), nn.BatchNorm2d(planes)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = None
        if stride != 1 or channels != planes:
            self.downsample = nn.Sequential(nn.Conv2d(channels, planes, 1, stride, bias=False), nn.BatchNorm2d(planes))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        around = x if self.downsample is None else self.downsample(x)
        x = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        return self.relu(x + around)


class ResNet18(nn.Module):
    """He et al. 2016."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1, self.relu = nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        sizes = ((64, 64, 1), (64, 128, 2), (128, 256, 2), (256, 512, 2))
        self.layer1, self.layer2, self.layer3, self.layer4 = (
            nn.Sequential(BasicBlock(channels, planes, stride), BasicBlock(planes, planes, 1))
            for channels, planes, stride in sizes
        )
        self.avgpool, self.fc = nn.AdaptiveAvgPool2d(1), nn.Linear(512, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(torch.flatten(self.avgpool(x), 1))


def _conv(channels: int, planes: int, kernel: int, stride: int, groups: int, activation: nn.Module) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels, planes, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(planes, eps=0.001, momentum=0.01),
        activation,
    )


class SqueezeExcitation(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        squeezed = max(8, (channels // 4 + 4) // 8 * 8)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc1, self.fc2 = nn.Conv2d(channels, squeezed, 1), nn.Conv2d(squeezed, channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * functional.hardsigmoid(self.fc2(functional.relu(self.fc1(self.avgpool(x)))))


class InvertedResidual(nn.Module):
    def __init__(
        self, channels: int, kernel: int, wide: int, planes: int, excited: bool, hard: bool, step: int
    ) -> None:
        super().__init__()
        activation = nn.Hardswish if hard else nn.ReLU
        parts: list[nn.Module] = []
        if wide != channels:
            parts.append(_conv(channels, wide, 1, 1, 1, activation()))
        parts.append(_conv(wide, wide, kernel, step, wide, activation()))
        if excited:
            parts.append(SqueezeExcitation(wide))
        parts.append(_conv(wide, planes, 1, 1, 1, nn.Identity()))
        self.block, self.residual = nn.Sequential(*parts), step == 1 and channels == planes

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.block(x) if self.residual else self.block(x)


class MobileNetV3(nn.Module):
    """Howard et al. 2019, the small one."""

    def __init__(self) -> None:
        super().__init__()
        blocks = (
            (16, 3, 16, 16, True, False, 2),
            (16, 3, 72, 24, False, False, 2),
            (24, 3, 88, 24, False, False, 1),
            (24, 5, 96, 40, True, True, 2),
            (40, 5, 240, 40, True, True, 1),
            (40, 5, 240, 40, True, True, 1),
            (40, 5, 120, 48, True, True, 1),
            (48, 5, 144, 48, True, True, 1),
            (48, 5, 288, 96, True, True, 2),
            (96, 5, 576, 96, True, True, 1),
            (96, 5, 576, 96, True, True, 1),
        )
        self.features = nn.Sequential(
            _conv(3, 16, 3, 2, 1, nn.Hardswish()),
            *(InvertedResidual(*block) for block in blocks),
            _conv(96, 576, 1, 1, 1, nn.Hardswish()),
        )
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(nn.Linear(576, 1024), nn.Hardswish(), nn.Linear(1024, CLASSES))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.classifier(torch.flatten(self.avgpool(self.features(x)), 1))


class UNet(nn.Module):
    """Ronneberger et al. 2015, three levels, its convolutions padded."""

    def __init__(self, widths: tuple[int, int, int] = (16, 32, 64)) -> None:
        super().__init__()
        self.down = nn.ModuleList(self._pair(low, high) for low, high in zip((3, *widths), widths, strict=False))
        falling = tuple(reversed(widths))
        turns = tuple(pairwise(falling))
        self.lift = nn.ModuleList(nn.ConvTranspose2d(high, low, 2, stride=2) for high, low in turns)
        self.up = nn.ModuleList(self._pair(high, low) for high, low in turns)
        self.head = nn.Conv2d(widths[0], CLASSES, 1)

    def _pair(self, channels: int, planes: int) -> nn.Sequential:
        return nn.Sequential(
            nn.Conv2d(channels, planes, 3, padding=1), nn.ReLU(), nn.Conv2d(planes, planes, 3, padding=1), nn.ReLU()
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        skips = []
        for level, part in enumerate(self.down):
            x = part(functional.max_pool2d(x, 2) if level else x)
            skips.append(x)
        for lift, part, skip in zip(self.lift, self.up, reversed(skips[:-1]), strict=True):
            x = part(torch.cat([skip, lift(x)], 1))
        return self.head(x).mean((2, 3))
