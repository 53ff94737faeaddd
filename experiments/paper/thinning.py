"""A trace as it would be had power been read less often: the same events, the same registers, fewer readings."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import duckdb

from smaragdine import Trace
from smaragdine.daemon.binary import find_binary
from smaragdine.errors import SmaragdineError

# A reader that looks every so often sees the last update before it looks: a reading ends where the first of those
# that it replaces began, plus a whole number of periods. Energies add up; shares are of energy.
_THINNED = """
with placed as (
    select *, (end_ns - 1 - min(start_ns) over (partition by domain)) // {period_ns} as look from readings
),
summed as (
    select domain, look, min(start_ns) as start_ns, max(end_ns) as end_ns,
        max(edge_uncertainty_ns) as edge_uncertainty_ns, max(read_start_ns) as read_start_ns,
        max(read_end_ns) as read_end_ns, sum(energy_j) as energy_j,
        {shares},
        list_distinct(flatten(list(flags))) as flags, any_value(source) as source
    from placed group by domain, look
)
select * exclude (look) from summed order by domain, start_ns
"""
_SHARES = ("app_share", "daemon_share", "idle_share")
# Null where one part is unknown; of no energy, the mean.
_SHARE = (
    "case when count(*) > count({0}) then null when sum(energy_j) > 0 then sum({0} * energy_j) / sum(energy_j) "
    "else avg({0}) end as {0}"
)


def thinned(trace: Trace, output: Path, period_ms: int) -> Trace:
    """Writes the trace with readings of at least so many milliseconds to `output`, accounted by equal share.

    Raises `SmaragdineError` where it cannot be accounted.
    """
    replaced(trace, output)
    with duckdb.connect() as connection:
        readings = connection.read_parquet(str(trace.path / "readings.parquet"))
        thin(readings, period_ms).write_parquet(str(output / "readings.parquet"), compression="zstd")
    account(output, "equal")
    return Trace.open(output)


def thin(readings: duckdb.DuckDBPyRelation, period_ms: int) -> duckdb.DuckDBPyRelation:
    """Rows of readings.parquet as a reader that looks every so often would have them."""
    shares = ", ".join(_SHARE.format(share) for share in _SHARES)
    rows = readings.query("readings", _THINNED.format(period_ns=period_ms * 1_000_000, shares=shares))
    assert rows is not None, "a select has rows"
    return rows


def replaced(trace: Trace, output: Path) -> None:
    """A copy of the trace in place of whatever is at `output`."""
    shutil.rmtree(output, ignore_errors=True)
    shutil.copytree(trace.path, output)


def account(trace: Path, policy: str) -> None:
    """Accounts a trace anew. Raises `SmaragdineError` with what was said."""
    command = [str(find_binary()), "account", str(trace), "--policy", policy]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SmaragdineError(f"{trace} could not be accounted by {policy}: {done.stderr.strip()[-400:]}")
