"""Weights & Biases: the summary of the active run, and the report of a recording as its artifact.

Its history is left alone: it has one counter of steps, which is the program's. `WandbMetricsLogger` has joules per step
beside the loss, since they are in Keras' logs.
"""

from __future__ import annotations

import re
from types import ModuleType
from typing import TYPE_CHECKING, Any

from smaragdine.training.trackers.tracker import Result

if TYPE_CHECKING:
    from typing_extensions import Self


class WandbRun:
    """The run that the program began."""

    def __init__(self, module: ModuleType, run: Any) -> None:
        self._module: Any = module
        self._run = run

    @classmethod
    def active(cls, module: ModuleType) -> Self | None:
        run = getattr(module, "run", None)
        return cls(module, run) if run is not None else None

    def tell(self, result: Result) -> None:
        self._run.summary.update(dict(result.metrics))
        self._run.config.update({"smaragdine": dict(result.tags)}, allow_val_change=True)
        if result.report is not None:
            name = re.sub(r"[^A-Za-z0-9_.-]", "-", f"smaragdine-{result.trace.name}-{self._run.id}")
            artifact = self._module.Artifact(name[:128], type="energy-report")
            artifact.add_file(str(result.report), name="report.html")
            self._run.log_artifact(artifact)
