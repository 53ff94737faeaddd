"""Energy accounting for Lightning's Trainer.

from smaragdine.lightning import EnergyCallback
Trainer(callbacks=[EnergyCallback("runs/bert")]).fit(model, loader)
"""

from smaragdine.frameworks.torch.lightning import EnergyCallback as EnergyCallback

__all__ = ["EnergyCallback"]
