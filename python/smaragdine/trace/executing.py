"""When the operations of a layer were executing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from smaragdine.trace.tables import Tables

if TYPE_CHECKING:
    from numpy.typing import NDArray


def executing(tables: Tables, layer: str) -> NDArray[np.int64]:
    """Of a layer, or of one inside it: rows of start_ns and end_ns, none touching."""
    rows = tables.rows(
        "select start_ns, end_ns from events join ops using (op) where layer = ? or starts_with(layer, ?) "
        "order by start_ns, end_ns",
        layer,
        f"{layer}/",
    )
    if not rows:
        return np.empty((0, 2), dtype=np.int64)
    times = np.array(rows, dtype=np.int64)
    reach = np.maximum.accumulate(times[:, 1])
    first = np.flatnonzero(np.r_[True, times[1:, 0] > reach[:-1]])
    return np.column_stack([times[first, 0], reach[np.r_[first[1:], len(times)] - 1]])
