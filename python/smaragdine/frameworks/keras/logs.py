"""Joules in Keras' logs: whoever reads them at the end of an epoch reads them after us.

Keras calls callbacks in their order and hands all of them one dictionary. The EnergyCallback stays where its user put
it; what fills the dictionary stands before everybody, also before those that fix their columns at the first epoch.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import keras


class EnergyLogs(keras.callbacks.Callback):  # type: ignore[misc]
    """Adds to the logs of an epoch what `tell` tells of it."""

    # Where Keras calls on_*_batch_end from a thread of its own it may: nothing happens there.
    async_safe = True

    def __init__(self, tell: Callable[[int], dict[str, float]]) -> None:
        super().__init__()
        self._tell = tell

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if isinstance(logs, dict):
            # A metric of the user's own by the same name is theirs.
            logs.update({name: value for name, value in self._tell(epoch).items() if name not in logs})


def stand_first(callback: object, logs: EnergyLogs) -> bool:
    """Puts `logs` before all callbacks of the list that is calling `callback` now; False where none is."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        owner = frame.f_locals.get("self")
        if isinstance(owner, keras.callbacks.CallbackList) and any(one is callback for one in owner.callbacks):
            # Another list: that one is being gone through. A list that its user keeps has the last fit's.
            others = [one for one in owner.callbacks if not isinstance(one, EnergyLogs)]
            owner.callbacks = [logs, *others]
            logs.set_model(owner.model)
            logs.set_params(owner.params)
            return True
        frame = frame.f_back
    return False
