"""Energy accounting of tensor programs: which layer, which operation spends the energy of a training.

    from smaragdine.keras import EnergyCallback
    model.fit(x, y, callbacks=[EnergyCallback("runs/bert")])

    trace = smaragdine.Trace.open("runs/bert")
    trace.footprint().top(10)
    trace.edd(phase="forward").find("bert/encoder/layer_0")

Importing this package imports no TensorFlow, pandas, duckdb or plotly; names load what they need when first used.
"""

from __future__ import annotations

import logging
from importlib import import_module
from typing import TYPE_CHECKING

from smaragdine.accounts import display as _display
from smaragdine.shown import Shown

if TYPE_CHECKING:
    from smaragdine import appendix as appendix
    from smaragdine import figures as figures
    from smaragdine import similarity as similarity
    from smaragdine import what_if as what_if
    from smaragdine.accounts.edd import EDD as EDD
    from smaragdine.accounts.footprint import Footprint as Footprint
    from smaragdine.accounts.ledger import Ledger as Ledger
    from smaragdine.carbon.leaderboard import Leaderboard as Leaderboard
    from smaragdine.carbon.study import Study as Study
    from smaragdine.daemon.messages import Event as Event
    from smaragdine.doctor.required import require as require
    from smaragdine.errors import BudgetReached as BudgetReached
    from smaragdine.errors import SmaragdineError as SmaragdineError
    from smaragdine.errors import WrongHardware as WrongHardware
    from smaragdine.frameworks.record import Recording as Recording
    from smaragdine.frameworks.record import record as record
    from smaragdine.recording.metrics import Metric as Metric
    from smaragdine.recording.metrics import metric as metric
    from smaragdine.trace.job import Job as Job
    from smaragdine.trace.runs import Runs as Runs
    from smaragdine.trace.trace import Trace as Trace

__version__ = "0.1.0"

# What we say, wherever a program sends it, quotes names and errors that are not ours.
logging.getLogger("smaragdine").addFilter(Shown())

# Who shows data in which form; imported when something is first shown.
_display.provided(_display.TEXT, "smaragdine.text.prompt")
_display.provided(_display.HTML, "smaragdine.text.notebook")
_display.provided(_display.PLOTLY, "smaragdine.figures.notebook")
_display.provided(_display.PAGE, "smaragdine.report")

# Where each public name lives.
_HOMES = {
    "BudgetReached": "errors",
    "EDD": "accounts.edd",
    "Event": "daemon.messages",
    "Footprint": "accounts.footprint",
    "Job": "trace.job",
    "Leaderboard": "carbon.leaderboard",
    "Ledger": "accounts.ledger",
    "Metric": "recording.metrics",
    "Recording": "frameworks.record",
    "Runs": "trace.runs",
    "SmaragdineError": "errors",
    "Study": "carbon.study",
    "Trace": "trace.trace",
    "metric": "recording.metrics",
    "WrongHardware": "errors",
    "record": "frameworks.record",
    "require": "doctor.required",
}
_MODULES = (
    "appendix",
    "figures",
    "keras",
    "lightning",
    "similarity",
    "tensorflow",
    "transformers",
    "what_if",
)

__all__ = ["__version__", *_HOMES, *_MODULES]


def __getattr__(name: str) -> object:
    if name in _HOMES:
        value: object = getattr(import_module(f"smaragdine.{_HOMES[name]}"), name)
    elif name in _MODULES:
        value = import_module(f"smaragdine.{name}")
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
