"""Smaragdine: energy accounting of tensor programs.

    trace = smaragdine.Trace.open("runs/bert")
    trace.footprint().top(10)
    trace.edd(phase="forward").find("bert/encoder/layer_0")

Importing this package imports no TensorFlow, pandas, duckdb or plotly; names load what they need when first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from smaragdine.errors import SmaragdineError

if TYPE_CHECKING:
    from smaragdine import figures as figures
    from smaragdine.edd import EDD as EDD
    from smaragdine.footprint import Footprint as Footprint
    from smaragdine.ledger import Ledger as Ledger
    from smaragdine.runs import Runs as Runs
    from smaragdine.trace import Trace as Trace

_HOMES = {
    "EDD": "smaragdine.edd",
    "Footprint": "smaragdine.footprint",
    "Ledger": "smaragdine.ledger",
    "Runs": "smaragdine.runs",
    "Trace": "smaragdine.trace",
    "record": "smaragdine.recording",
}
_MODULES = ("figures", "keras", "tensorflow")

__all__ = ["SmaragdineError", *_HOMES, *_MODULES]


def __getattr__(name: str) -> object:
    if name in _HOMES:
        value: object = getattr(import_module(_HOMES[name]), name)
    elif name in _MODULES:
        value = import_module(f"smaragdine.{name}")
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
