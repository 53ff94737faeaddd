"""MLflow: metrics, tags and the report of a recording, in the run that was active."""

from __future__ import annotations

import time
from collections.abc import Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any

from smaragdine.training.spending import Row
from smaragdine.training.trackers.tracker import Result

if TYPE_CHECKING:
    from typing_extensions import Self

# What MLflow takes at once.
_MOST_METRICS = 1000


class MLflowRun:
    """By its id, so that nothing is logged into another run, nor one begun for it."""

    def __init__(self, module: ModuleType, run_id: str) -> None:
        self._entities: Any = module.entities
        self._client: Any = module.MlflowClient(module.get_tracking_uri())
        self._run_id = run_id

    @classmethod
    def active(cls, module: ModuleType) -> Self | None:
        run = module.active_run()
        return cls(module, str(run.info.run_id)) if run is not None else None

    def tell(self, result: Result) -> None:
        metric, tag = self._entities.Metric, self._entities.RunTag
        logged = self._logged(result.rows)
        history = [
            metric(name, value, row.time_ms, row.epoch)
            for row in result.rows
            for name, value in row.values.items()
            if name not in logged
        ]
        now_ms, last = int(time.time() * 1000), max((row.epoch for row in result.rows), default=0)
        totals = [metric(name, value, now_ms, last) for name, value in result.metrics.items()]
        tags = [tag(f"smaragdine.{name}", value) for name, value in result.tags.items()]
        for start in range(0, len(history), _MOST_METRICS):
            self._client.log_batch(self._run_id, metrics=history[start : start + _MOST_METRICS])
        self._client.log_batch(self._run_id, metrics=totals, tags=tags)
        if result.report is not None:
            self._client.log_artifact(self._run_id, str(result.report), f"smaragdine/{result.trace.name}")

    def _logged(self, rows: Sequence[Row]) -> set[str]:
        """What something else has logged of this training, as MLflow's own callback does: it is not logged twice."""
        if not rows:
            return set()
        since_ms = min(row.time_ms for row in rows)
        held = self._client.get_run(self._run_id).data.metrics
        names = [name for name in rows[0].values if name in held]
        points = {name: self._client.get_metric_history(self._run_id, name) for name in names}
        # A run may hold several trainings.
        return {name for name, of in points.items() if any(point.timestamp >= since_ms for point in of)}
