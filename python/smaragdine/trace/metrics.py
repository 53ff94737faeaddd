"""Metrics of a trace: what machine and application did, about once a second."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from smaragdine.trace.tables import Tables

if TYPE_CHECKING:
    from numpy.typing import NDArray

_S = 1e9
# In a job's, the host's name is between them.
_OF_A_GPU = re.compile(r"application/(?:.*/)?GPU:[^/]*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Series:
    """The values of one metric of one scope, in order of time. Arrays of equal length."""

    metric: str
    scope: str
    time_ns: NDArray[np.int64]
    value: NDArray[np.float64]

    @property
    def seconds_held(self) -> float:
        """Seconds weighed by the value, which holds since the one before.

        Of something that is 0 or 1 it is the time for which it was 1.
        """
        return float((np.diff(self.time_ns) / _S * self.value[1:]).sum())


def series_of(tables: Tables, metric: str | None = None) -> list[Series]:
    """By metric and scope; those of one metric, or of all."""
    rows = tables.rows(
        "select metric, scope, list(time_ns order by time_ns), list(value order by time_ns) from metrics "
        "where metric = coalesce(?, metric) group by all order by all",
        metric,
    )
    return [
        Series(name, scope, np.array(time_ns, dtype=np.int64), np.array(value, dtype=np.float64))
        for name, scope, time_ns, value in rows
    ]


def cpu_hours(tables: Tables) -> float | None:
    """CPU time of the application in hours; None where it is not known."""
    (rows,) = tables.rows(
        "select max(value) - min(value) from metrics where metric = 'cpu_time' and scope = 'application'"
    )
    return None if rows[0] is None else float(rows[0]) / 3600


def gpu_hours(tables: Tables, metric: str = "gpu_held") -> float | None:
    """Hours of all GPUs together that the application held; with `gpu_utilisation`, in which its kernels ran.

    None where nothing was sampled of the application's part of any GPU.
    """
    own = [one for one in series_of(tables, metric) if _OF_A_GPU.fullmatch(one.scope)]
    return sum(one.seconds_held for one in own) / 3600 if own else None
