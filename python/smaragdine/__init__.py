"""Energy accounting of tensor programs: which layer, which operation spends the energy of a training.

    from smaragdine.keras import EnergyCallback
    model.fit(x, y, callbacks=[EnergyCallback("runs/bert")])
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from smaragdine.errors import SmaragdineError as SmaragdineError
    from smaragdine.messages import Event as Event
    from smaragdine.recording import Recording as Recording
    from smaragdine.recording import record as record

__version__ = "0.1.0"

# Where each public name lives. Modules are imported on first use: `import smaragdine` stays light.
_HOMES = {
    "Event": "messages",
    "Recording": "recording",
    "SmaragdineError": "errors",
    "record": "recording",
}

__all__ = ["__version__", *_HOMES]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'smaragdine' has no attribute {name!r}")
    return getattr(import_module(f"smaragdine.{home}"), name)
