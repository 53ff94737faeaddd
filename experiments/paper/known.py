"""Readings over the events of a real recording whose power is known at every instant, so that a footprint has a truth.

Products (of matrices, and convolutions) draw 190 W and all else 40 W beside a floor of 60 W, which is theirs in equal
parts while any operation runs; 20 W while none does. Executions of one type differ by 3 %.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import numpy as np
import pyarrow as pa

from smaragdine import Trace

from .thinning import account, replaced

if TYPE_CHECKING:
    from numpy.typing import NDArray

PRODUCT_W, OTHER_W, FLOOR_W, QUIET_W = 190.0, 40.0, 60.0, 20.0
# Standard deviation of one execution's power, as a share of its type's.
SPREAD = 0.03
PRODUCTS = ("MatMul", "BatchMatMul", "BatchMatMulV2", "BatchMatMulV3", "Einsum", "Conv2D", "_FusedMatMul")


def with_known_powers(trace: Trace, output: Path) -> tuple[Path, dict[int, float]]:
    """Writes the trace with such readings to `output`; joules of each operation in truth.

    They are of the first domain of the device that computes most, in their own intervals; there are no others.
    """
    replaced(trace, output)
    device = trace.sql(
        "select device from events where kind = 'compute' group by device order by sum(end_ns - start_ns) desc limit 1"
    ).fetchall()[0][0]
    events = trace.sql(
        f"select op, start_ns, end_ns, type in {PRODUCTS} from events join ops using (op) "
        f"where kind = 'compute' and device = '{device}' and end_ns > start_ns"
    ).fetchall()
    op, start, end, product = (np.array(column) for column in zip(*events, strict=True))
    own_w = np.where(product, PRODUCT_W, OTHER_W) * np.random.default_rng(0).normal(1.0, SPREAD, len(op))
    at, energy_j, floor_j = integrals(start, end, own_w)
    spent = own_w * (end - start) * 1e-9 + np.interp(end, at, floor_j) - np.interp(start, at, floor_j)
    truth: dict[int, float] = {}
    for number, joules in zip(op.tolist(), spent.tolist(), strict=True):
        truth[number] = truth.get(number, 0.0) + joules
    domain = next(of.name for of in trace.metadata.counted if of.device == device)
    _write(output / "readings.parquet", domain, at, energy_j)
    account(output, "equal")
    return output, truth


def integrals(
    start: NDArray[np.int64], end: NDArray[np.int64], own_w: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Instants at which something starts or ends; until each, all energy, and the floor of one that runs throughout."""
    at, place = np.unique(np.r_[start, end], return_inverse=True)
    lanes, watts = np.zeros(len(at)), np.zeros(len(at))
    ones = np.ones(len(start))
    np.add.at(lanes, place, np.r_[ones, -ones])
    np.add.at(watts, place, np.r_[own_w, -own_w])
    lanes, watts = np.cumsum(lanes)[:-1].round(), np.cumsum(watts)[:-1]
    length_s = np.diff(at) * 1e-9
    runs = lanes > 0
    power_w = np.where(runs, watts + FLOOR_W, QUIET_W)
    floor_w = np.divide(FLOOR_W, lanes, out=np.zeros_like(lanes), where=runs)
    return at, np.r_[0.0, np.cumsum(power_w * length_s)], np.r_[0.0, np.cumsum(floor_w * length_s)]


def _write(file: Path, domain: str, at: NDArray[np.int64], energy_j: NDArray[np.float64]) -> None:
    def until(instants: NDArray[np.int64]) -> NDArray[np.float64]:
        before = np.minimum(instants - at[0], 0) + np.maximum(instants - at[-1], 0)
        held: NDArray[np.float64] = np.interp(instants, at, energy_j) + QUIET_W * before * 1e-9
        return held

    with duckdb.connect() as connection:
        readings = connection.read_parquet(str(file)).filter(f"domain = '{domain}'").order("start_ns").to_arrow_table()
        start, end = (readings.column(name).to_numpy() for name in ("start_ns", "end_ns"))
        columns = {name: readings.column(name) for name in readings.column_names}
        columns["energy_j"] = pa.array(until(end) - until(start))
        for name, value in (("app_share", 1.0), ("daemon_share", 0.0), ("idle_share", 0.0)):
            columns[name] = pa.array(np.full(len(start), value))
        # The edges are exact.
        columns["edge_uncertainty_ns"] = pa.array(np.zeros(len(start), dtype=np.int64))
        table = pa.table(columns)
        connection.from_arrow(table).write_parquet(str(file), compression="zstd")
