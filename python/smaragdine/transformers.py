"""Energy accounting for the Trainer of Hugging Face's Transformers.

from smaragdine.transformers import EnergyCallback
Trainer(model, args, train_dataset=data, callbacks=[EnergyCallback("runs/bert")]).train()
"""

from smaragdine.frameworks.torch.transformers import EnergyCallback as EnergyCallback

__all__ = ["EnergyCallback"]
