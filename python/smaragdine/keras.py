"""Energy of a Keras 3 training on TensorFlow.

model.fit(x, y, callbacks=[EnergyCallback("runs/bert")])
"""

from smaragdine.frameworks.keras.callback import EnergyCallback

__all__ = ["EnergyCallback"]
