"""What a callback or hook was asked to record, checked before any training starts."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping

from smaragdine.errors import SmaragdineError, UsageError
from smaragdine.recording.beginning import JOIN
from smaragdine.recording.destination import absolute, choose
from smaragdine.recording.period import parse_period
from smaragdine.recording.rank import Rank
from smaragdine.recording.recorder import Recorder
from smaragdine.training.budget import Budget
from smaragdine.training.window import Auto, Windows

_LOG = logging.getLogger("smaragdine")


class Plan:
    """Raises `UsageError` where an option makes no sense or `output` holds what is no trace."""

    def __init__(
        self,
        output: str | os.PathLike[str],
        *,
        period: str,
        window: int | Auto,
        every: int | Auto,
        name: str | None,
        labels: Mapping[str, str] | None,
        budget: str | None = None,
        budget_stops: bool = False,
        trackers: bool = True,
        pausable: bool = False,
    ) -> None:
        parse_period(period)
        self._output = absolute(output)
        self._period = period
        self._window = window
        self._every = every
        self._name = name
        self._labels = dict(labels or {})
        # Whether experiment trackers are told.
        self.trackers = trackers
        # Whether it may be asked to stand still.
        self.pausable = pausable
        self.budget = Budget(budget, self._labels, stops=budget_stops) if budget is not None else None
        self.windows()
        if not os.environ.get(JOIN):
            try:
                choose(self._output, Rank.told())
            except UsageError:
                raise
            except SmaragdineError as error:
                _LOG.debug("told where the recording starts, if it lasts: %s", error)

    def windows(self) -> Windows:
        """Windows for one training."""
        return Windows(self._window, self._every)

    def start(self, name: str | None, software: Mapping[str, str]) -> Recorder:
        """Starts a recording as `Recorder.start` does, under `name` unless another was asked for."""
        return Recorder.start(
            self._output, period=self._period, name=self._name or name, labels=self._labels, software=software
        )
