"""How much of the paper's evaluation is run: in minutes, in about an hour, or as the authors did."""

from __future__ import annotations

from dataclasses import dataclass

from experiments.models.size import Size

from .setting import Setting


@dataclass(frozen=True)
class Scale:
    """`size` and `steps` are the default setting's; the other sizes follow the paper's proportions."""

    name: str
    size: Size
    steps: int
    runs: int
    """Runs that make an experiment."""
    experiments: int
    """Experiments of the default setting, for stability and widening."""
    periods_ms: tuple[int, ...]
    layers: tuple[int, ...]
    """Of the variants, …"""
    hidden: tuple[int, ...]
    """… each with each; the last of both make the default."""
    epochs: int
    """Of the training to an accuracy, …"""
    epoch_steps: int
    networks: tuple[str, ...]
    """Of keras.applications."""
    pixels: int
    rounds: int
    """Predictions of each network."""
    block_pairs: int
    """Of the paired on/off ratio."""
    pictures: bool = True
    """Whether the figures that the table shows are drawn as pictures, too."""

    @property
    def default(self) -> Setting:
        return Setting(self.size, steps=self.steps)


_NETWORKS = (
    "MobileNetV2", "MobileNetV3Small", "EfficientNetB0", "EfficientNetB1", "EfficientNetB2", "ResNet50", "ResNet101",
    "ResNet152", "DenseNet121", "DenseNet169", "DenseNet201", "VGG16", "VGG19",
)  # fmt: skip
_MORE_NETWORKS = ("MobileNetV3Large", "EfficientNetB3", "InceptionV3", "Xception", "NASNetMobile")

SCALES = {
    scale.name: scale
    for scale in (
        # One of everything, to see that it runs.
        Scale(
            "least",
            Size(layers=2, hidden=32, heads=2, sequence=16, vocabulary=256, predictions=2, batch=2, embedding=8),
            steps=4, runs=2, experiments=2, periods_ms=(36,), layers=(1, 2), hidden=(16, 32),
            epochs=2, epoch_steps=6, networks=("MobileNetV2", "MobileNetV3Small"), pixels=32, rounds=8, block_pairs=2,
            pictures=False,
        ),
        Scale(
            "smoke",
            Size(layers=4, hidden=64, heads=2, sequence=32, vocabulary=1024, predictions=5, batch=4, embedding=16),
            steps=30, runs=2, experiments=3, periods_ms=(6, 36), layers=(2, 3, 4), hidden=(32, 64),
            epochs=8, epoch_steps=20, networks=("MobileNetV2", "ResNet50", "ResNet101", "ResNet152", "VGG16"),
            pixels=64, rounds=10, block_pairs=6, pictures=False,
        ),
        Scale(
            "small",
            Size(layers=12, hidden=192, heads=3, sequence=64, vocabulary=4096, predictions=10, batch=8, embedding=32),
            steps=24, runs=3, experiments=5, periods_ms=(6, 12, 18, 24, 30, 36), layers=(6, 8, 10, 12),
            hidden=(128, 192), epochs=12, epoch_steps=60, networks=_NETWORKS, pixels=96, rounds=30, block_pairs=20,
        ),
        Scale(
            "paper",
            Size(layers=12, hidden=768, heads=12, sequence=128, vocabulary=30522, predictions=20, batch=32),
            steps=500, runs=5, experiments=10, periods_ms=tuple(range(6, 37, 2)), layers=(6, 8, 10, 12),
            hidden=(512, 768), epochs=20, epoch_steps=500, networks=_NETWORKS + _MORE_NETWORKS, pixels=224, rounds=1000,
            block_pairs=40,
        ),
    )
}  # fmt: skip
